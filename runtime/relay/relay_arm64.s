#include "textflag.h"

// handler(signal): pidfd_send_signal(target, signal, NULL, 0). The kernel calls
// it with the signal in R0, in the manner of C, where R0–R17 may be changed.
TEXT handler<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVW	R0, R1
	MOVW	·target(SB), R0
	MOVD	$0, R2
	MOVD	$0, R3
	MOVD	$424, R8
	SVC
	RET

// back is where the handler returns to: rt_sigreturn.
TEXT back<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVD	$139, R8
	SVC
	BRK

TEXT ·entry(SB), NOSPLIT, $0-8
	MOVD	$handler<>(SB), R0
	MOVD	R0, ret+0(FP)
	RET

TEXT ·restorer(SB), NOSPLIT, $0-8
	MOVD	$back<>(SB), R0
	MOVD	R0, ret+0(FP)
	RET
