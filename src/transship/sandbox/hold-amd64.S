# The sandbox's only program: waits until it is told to end (SIGTERM, SIGINT or SIGQUIT), and ends with status 0.
# With the words SOCKET QUESTION REQUEST ANSWER it first sends QUESTION to the Unix socket SOCKET and, where what comes
# back contains ANSWER, REQUEST as well. The first character of ANSWER must not occur in it again.
# Headers and all, so that its bytes depend on this file alone: as -o hold.o hold-amd64.S && objcopy -O binary hold.o hold-amd64
        .set    address, 0x400000
        .set    read, 0
        .set    write, 1
        .set    close, 3
        .set    rt_sigprocmask, 14
        .set    socket, 41
        .set    connect, 42
        .set    exit, 60
        .set    rt_sigtimedwait, 128
        .set    room, 4096
        .set    words, 5                        # on the stack, where the program begins: how many, then their addresses

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

start:  mov     %rsp, %rbp
        xor     %edi, %edi                      # SIG_BLOCK: what is waited for must not end it
        lea     signals(%rip), %rsi
        xor     %edx, %edx
        mov     $8, %r10d
        mov     $rt_sigprocmask, %eax
        syscall
        cmpl    $words, (%rbp)
        jne     wait
        mov     24(%rbp), %r12                  # QUESTION
        call    ask
        cmpb    $0, (%r13)
        jne     wait
        mov     32(%rbp), %r12                  # REQUEST
        call    ask
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

ask:    mov     40(%rbp), %r13                  # how much of ANSWER has come: all of it where it is at its end
        sub     $room, %rsp
        mov     $1, %edi                        # AF_UNIX
        mov     $1, %esi                        # SOCK_STREAM
        xor     %edx, %edx
        mov     $socket, %eax
        syscall
        mov     %eax, %ebx
        movw    $1, (%rsp)
        mov     16(%rbp), %rsi                  # SOCKET
        lea     2(%rsp), %rdi
path:   lodsb
        stosb
        test    %al, %al
        jnz     path
        mov     %ebx, %edi
        mov     %rsp, %rsi
        mov     $110, %edx
        mov     $connect, %eax
        syscall
        test    %eax, %eax
        jnz     done
        xor     %edx, %edx
count:  inc     %edx
        cmpb    $0, (%r12,%rdx)
        jne     count
        mov     %ebx, %edi
        mov     %r12, %rsi
        mov     $write, %eax
        syscall
more:   mov     %ebx, %edi
        mov     %rsp, %rsi
        mov     $room, %edx
        mov     $read, %eax
        syscall
        test    %eax, %eax
        jle     done
        mov     %eax, %ecx
        mov     %rsp, %rsi
next:   lodsb
        cmp     (%r13), %al
        je      found
        mov     40(%rbp), %r13
        cmp     (%r13), %al
        jne     other
found:  inc     %r13
        cmpb    $0, (%r13)
        je      done
other:  dec     %ecx
        jnz     next
        jmp     more
done:   mov     %ebx, %edi
        mov     $close, %eax
        syscall
        add     $room, %rsp
        ret
        .balign 8
signals:
        .quad   1 << (15 - 1) | 1 << (2 - 1) | 1 << (3 - 1)
end:
