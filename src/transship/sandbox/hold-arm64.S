// The sandbox's only program: waits until it is told to end (SIGTERM, SIGINT or SIGQUIT), and ends with status 0.
// With the words SOCKET QUESTION REQUEST ANSWER it first sends QUESTION to the Unix socket SOCKET and, where what comes
// back contains ANSWER, REQUEST as well. The first character of ANSWER must not occur in it again.
// Headers and all, so that its bytes depend on this file alone: as -o hold.o hold-arm64.S && objcopy -O binary hold.o hold-arm64
        .set    address, 0x400000
        .set    close, 57
        .set    read, 63
        .set    write, 64
        .set    exit, 93
        .set    rt_sigprocmask, 135
        .set    rt_sigtimedwait, 137
        .set    socket, 198
        .set    connect, 203
        .set    room, 4096
        .set    words, 5                        // on the stack, where the program begins: how many, then their addresses

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

start:  mov     x19, sp
        mov     x0, #0                          // SIG_BLOCK: what is waited for must not end it
        adr     x1, signals
        mov     x2, #0
        mov     x3, #8
        mov     x8, #rt_sigprocmask
        svc     #0
        ldr     x0, [x19]
        cmp     x0, #words
        b.ne    wait
        ldr     x21, [x19, #24]                 // QUESTION
        bl      ask
        ldrb    w0, [x20]
        cbnz    w0, wait
        ldr     x21, [x19, #32]                 // REQUEST
        bl      ask
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

ask:    ldr     x20, [x19, #40]                 // how much of ANSWER has come: all of it where it is at its end
        sub     sp, sp, #room
        mov     x0, #1                          // AF_UNIX
        mov     x1, #1                          // SOCK_STREAM
        mov     x2, #0
        mov     x8, #socket
        svc     #0
        mov     x22, x0
        mov     w0, #1
        strh    w0, [sp]
        ldr     x1, [x19, #16]                  // SOCKET
        add     x2, sp, #2
path:   ldrb    w0, [x1], #1
        strb    w0, [x2], #1
        cbnz    w0, path
        mov     x0, x22
        mov     x1, sp
        mov     x2, #110
        mov     x8, #connect
        svc     #0
        cbnz    x0, done
        mov     x2, #0
count:  add     x2, x2, #1
        ldrb    w0, [x21, x2]
        cbnz    w0, count
        mov     x0, x22
        mov     x1, x21
        mov     x8, #write
        svc     #0
more:   mov     x0, x22
        mov     x1, sp
        mov     x2, #room
        mov     x8, #read
        svc     #0
        cmp     x0, #0
        b.le    done
        mov     x1, sp
        add     x2, x1, x0
next:   ldrb    w0, [x1], #1
        ldrb    w3, [x20]
        cmp     w0, w3
        b.eq    found
        ldr     x20, [x19, #40]
        ldrb    w3, [x20]
        cmp     w0, w3
        b.ne    other
found:  add     x20, x20, #1
        ldrb    w3, [x20]
        cbz     w3, done
other:  cmp     x1, x2
        b.ne    next
        b       more
done:   mov     x0, x22
        mov     x8, #close
        svc     #0
        add     sp, sp, #room
        ret
        .balign 8
signals:
        .quad   1 << (15 - 1) | 1 << (2 - 1) | 1 << (3 - 1)
end:
