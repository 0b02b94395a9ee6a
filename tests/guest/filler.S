# SPDX-License-Identifier: GPL-3.0-or-later
# A guest of one sector that fills FILL MiB of its memory, from 1 MiB on, with what cannot be compressed, says so on its console and rests. For a guest
# too small for Linux. Real mode; memory above 1 MiB is reached through a segment of 4 GiB.
	.code16
	.globl _start
_start:
	cli
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov $0x7c00, %sp
	in $0x92, %al			# address line 20 on
	or $2, %al
	and $0xfe, %al
	out %al, $0x92
	lgdtl gdtr
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	mov $8, %bx
	mov %bx, %fs
	and $0xfe, %al
	mov %eax, %cr0
	mov $0x100000, %edi
	mov $0x9e3779b9, %eax
1:	mov %eax, %edx			# xorshift
	shl $13, %edx
	xor %edx, %eax
	mov %eax, %edx
	shr $17, %edx
	xor %edx, %eax
	mov %eax, %edx
	shl $5, %edx
	xor %edx, %eax
	mov %eax, %fs:(%edi)
	add $4, %edi
	cmp $((FILL + 1) << 20), %edi
	jb 1b
	mov $filled, %si
2:	lodsb
	test %al, %al
	jz rest
	mov $0x3f8, %dx
	out %al, %dx
	jmp 2b
rest:	hlt
	jmp rest

filled:	.asciz "MEM filled\r\n"
	.balign 8
gdt:	.quad 0, 0x00cf92000000ffff
gdtr:	.word 15
	.long gdt
	.org 510
	.word 0xaa55
