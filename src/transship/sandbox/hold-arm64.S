// The sandbox's only program: waits until it is told to end (SIGTERM, SIGINT or SIGQUIT), and ends with status 0.
// Headers and all, so that its bytes depend on this file alone: as -o hold.o hold-arm64.S && objcopy -O binary hold.o hold-arm64
        .set    address, 0x400000
        .set    rt_sigprocmask, 135
        .set    rt_sigtimedwait, 137
        .set    exit, 93

elf:    .ascii  "\177ELF"
        .byte   2, 1, 1, 0                      // 64 bits, least byte first
        .quad   0
        .short  2, 183                          // a program, for AArch64
        .long   1
        .quad   address + start - elf
        .quad   program - elf
        .quad   0
        .long   0
        .short  program - elf, start - program, 1, 0, 0, 0
program:
        .long   1, 5                            // all of it in memory, to be read and executed
        .quad   0, address, address, end - elf, end - elf, 0x10000

start:  mov     x0, #0                          // SIG_BLOCK: what is waited for must not end it
        adr     x1, signals
        mov     x2, #0
        mov     x3, #8
        mov     x8, #rt_sigprocmask
        svc     #0
wait:   adr     x0, signals
        mov     x1, #0
        mov     x2, #0
        mov     x3, #8
        mov     x8, #rt_sigtimedwait
        svc     #0
        tbnz    x0, #63, wait                   // interrupted by something else
        mov     x0, #0
        mov     x8, #exit
        svc     #0
        .balign 8
signals:
        .quad   1 << (15 - 1) | 1 << (2 - 1) | 1 << (3 - 1)
end:
