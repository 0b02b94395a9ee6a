# SPDX-License-Identifier: GPL-3.0-or-later
# A guest of one sector that falls ill: it says hello on its console and then does what SICKNESS says: 0 nothing, 1 it panics (pvpanic's port),
# 2 it arms its watchdog (i6300esb) and never feeds it. Real mode; memory above 1 MiB is reached through a segment of 4 GiB.
	.code16
	.globl _start
_start:
	cli
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov $0x7c00, %sp
	mov $hello, %si
1:	lodsb
	test %al, %al
	jz 2f
	mov $0x3f8, %dx
	out %al, %dx
	jmp 1b
2:
.if SICKNESS == 1
	mov $0x505, %dx
	mov $1, %al
	out %al, %dx
.endif
.if SICKNESS == 2
	lgdtl gdtr
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	mov $8, %bx
	mov %bx, %fs
	and $0xfe, %al
	mov %eax, %cr0
	mov $0x80000000, %ebx		# bus 0, device 0
3:	mov $0, %cl
	call read
	cmp $0x25ab8086, %eax
	je 4f
	add $0x800, %ebx
	cmp $0x80010000, %ebx
	jb 3b
	jmp rest			# it has none
4:	mov $0x10, %cl
	call read
	and $0xfffffff0, %eax
	mov %eax, %edi
	mov $0, %ecx
5:	movw $0x80, %fs:0x0c(%edi)
	movw $0x86, %fs:0x0c(%edi)
	movl $0x40, %fs:(%edi,%ecx)	# about 60 ms for each of its two stages
	add $4, %ecx
	cmp $8, %ecx
	jb 5b
	mov $0x68, %cl
	call select
	mov $2, %al
	out %al, %dx
.endif
rest:	hlt
	jmp rest

select:	mov %ebx, %eax			# register %cl of device %ebx; its data are at port %dx then
	or %cl, %al
	mov $0xcf8, %dx
	out %eax, %dx
	mov $0xcfc, %dx
	ret
read:	call select
	in %dx, %eax
	ret

hello:	.asciz "hello from a sick guest\r\n"
	.balign 8
gdt:	.quad 0, 0x00cf92000000ffff
gdtr:	.word 15
	.long gdt
	.org 510
	.word 0xaa55
