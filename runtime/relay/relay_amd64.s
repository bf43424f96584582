#include "textflag.h"

// handler(signal): pidfd_send_signal(target, signal, NULL, 0). The kernel calls
// it with the signal in DI, in the manner of C, where AX, CX, DX, SI, DI and
// R8–R11 may be changed.
TEXT handler<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVL	DI, SI
	MOVL	·target(SB), DI
	XORL	DX, DX
	XORL	R10, R10
	MOVL	$424, AX
	SYSCALL
	RET

// back is where the handler returns to: rt_sigreturn.
TEXT back<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVL	$15, AX
	SYSCALL
	INT	$3

TEXT ·entry(SB), NOSPLIT, $0-8
	LEAQ	handler<>(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

TEXT ·restorer(SB), NOSPLIT, $0-8
	LEAQ	back<>(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
