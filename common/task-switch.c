// SPDX-License-Identifier: GPL-3.0-or-later
// Stacks and the switch between them. A context is entered once with setcontext, then left and re-entered with _setjmp and
// _longjmp: no system call, and the signal mask stays the thread's own. The sanitizer is told of every switch.
#undef _FORTIFY_SOURCE // its longjmp refuses to go to another stack
#include "common/task-private.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define STACK_BYTES (1024u << 10) // its red zones take room
#define fiber_leave(save, base, bytes) __sanitizer_start_switch_fiber(save, base, bytes)
#define fiber_arrive(save, base, bytes) __sanitizer_finish_switch_fiber(save, base, bytes)
#else
#define STACK_BYTES (256u << 10)
#define fiber_leave(save, base, bytes) ((void)0)
#define fiber_arrive(save, base, bytes) ((void)0)
#endif

#define POOL_LIMIT 32

// The running task of this thread; task_self() has no other way to know.
static _Thread_local struct task *running;

struct task *task_self(void)
{
	return running;
}

struct task_stack *task_stack_get(struct task_scheduler *scheduler)
{
	struct task_stack *stack = scheduler->pool;

	if (stack) {
		scheduler->pool = stack->next;
		scheduler->pooled--;
		return stack;
	}
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);
	stack = calloc(1, sizeof(*stack));
	if (!stack)
		return NULL;
	char *map = mmap(NULL, guard + STACK_BYTES, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (map == MAP_FAILED) {
		free(stack);
		return NULL;
	}
	stack->base = map + guard;
	stack->bytes = STACK_BYTES;
	if (mprotect(stack->base, stack->bytes, PROT_READ | PROT_WRITE) < 0) {
		munmap(map, guard + STACK_BYTES);
		free(stack);
		return NULL;
	}
	return stack;
}

static void stack_unmap(struct task_stack *stack)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);

	munmap(stack->base - guard, guard + stack->bytes);
	free(stack);
}

void task_stack_put(struct task_scheduler *scheduler, struct task_stack *stack)
{
#if defined(__SANITIZE_ADDRESS__)
	// the last frames never returned: their red zones are still marked
	__asan_unpoison_memory_region(stack->base, stack->bytes);
#endif
	if (scheduler->pooled >= POOL_LIMIT) {
		stack_unmap(stack);
		return;
	}
	stack->next = scheduler->pool;
	scheduler->pool = stack;
	scheduler->pooled++;
}

void task_stack_drain(struct task_scheduler *scheduler)
{
	for (struct task_stack *stack = scheduler->pool, *next; stack; stack = next) {
		next = stack->next;
		stack_unmap(stack);
	}
	scheduler->pool = NULL;
	scheduler->pooled = 0;
}

static void task_main(void)
{
	struct task *task = running;

	fiber_arrive(NULL, &task->scheduler->loop_stack, &task->scheduler->loop_stack_bytes);
	task->fn(task->data);
	task->ended = true;
	task_leave(task);
	abort(); // nobody enters an ended task
}

// Not instrumented: it never returns, so nothing would take its red zones off the loop's stack.
__attribute__((no_sanitize_address)) static void first_entry(struct task *task)
{
	ucontext_t context;

	getcontext(&context); // now and not earlier: it holds the thread's signal mask
	context.uc_stack.ss_sp = task->stack->base;
	context.uc_stack.ss_size = task->stack->bytes;
	context.uc_link = NULL;
	makecontext(&context, task_main, 0);
	task->started = true;
	setcontext(&context);
	abort();
}

void task_enter(struct task *task)
{
	running = task;
	fiber_leave(&task->scheduler->fake_stack, task->stack->base, task->stack->bytes);
	if (_setjmp(task->scheduler->env) == 0) {
		if (!running->started)
			first_entry(running);
		_longjmp(running->env, 1);
	}
	fiber_arrive(running->scheduler->fake_stack, NULL, NULL);
	running = NULL;
}

void task_leave(struct task *task)
{
	// no place to save to: the sanitizer frees what it holds for a task that ends
	fiber_leave(task->ended ? NULL : &task->fake_stack, task->scheduler->loop_stack,
		task->scheduler->loop_stack_bytes);
	if (_setjmp(task->env) == 0)
		_longjmp(running->scheduler->env, 1);
	fiber_arrive(
		running->fake_stack, &running->scheduler->loop_stack, &running->scheduler->loop_stack_bytes);
}
