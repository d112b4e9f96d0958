# The sandbox's only program: waits until it is told to end (SIGTERM, SIGINT or SIGQUIT), and ends with status 0.
# Headers and all, so that its bytes depend on this file alone: as -o hold.o hold-amd64.S && objcopy -O binary hold.o hold-amd64
        .set    address, 0x400000
        .set    rt_sigprocmask, 14
        .set    rt_sigtimedwait, 128
        .set    exit, 60

elf:    .ascii  "\177ELF"
        .byte   2, 1, 1, 0                      # 64 bits, least byte first
        .quad   0
        .short  2, 62                           # a program, for x86-64
        .long   1
        .quad   address + start - elf
        .quad   program - elf
        .quad   0
        .long   0
        .short  program - elf, start - program, 1, 0, 0, 0
program:
        .long   1, 5                            # all of it in memory, to be read and executed
        .quad   0, address, address, end - elf, end - elf, 0x1000

start:  xor     %edi, %edi                      # SIG_BLOCK: what is waited for must not end it
        lea     signals(%rip), %rsi
        xor     %edx, %edx
        mov     $8, %r10d
        mov     $rt_sigprocmask, %eax
        syscall
wait:   lea     signals(%rip), %rdi
        xor     %esi, %esi
        xor     %edx, %edx
        mov     $8, %r10d
        mov     $rt_sigtimedwait, %eax
        syscall
        test    %eax, %eax
        js      wait                            # interrupted by something else
        xor     %edi, %edi
        mov     $exit, %eax
        syscall
        .balign 8
signals:
        .quad   1 << (15 - 1) | 1 << (2 - 1) | 1 << (3 - 1)
end:
