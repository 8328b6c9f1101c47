// Package killtest ends a program at any one of its steps that matter to a disk or
// to a server, because a promise about SIGKILL is worth what the shipped program
// does, and not what a seam in it does.
//
// It stands beside the line: internal/e2e uses it. A program runs under ptrace(2),
// and whenever one of its threads is about to rename, remove, truncate or force a
// file, or to write into a socket, the test is asked whether it may. SIGKILL comes
// before the call, so that the steps are exact, and the same in each run as far as
// the program is. Nothing survives it; it must not know which program it runs.
package killtest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"unsafe"
)

// Call is one that a program is about to make.
type Call struct {
	N    int    // from 1
	Name string // "rename", "remove", "truncate", "force", "send"
	Path string // of the file, or of the socket as the kernel calls it
	To   string // of a rename
}

// String returns the call in words.
func (c Call) String() string {
	if c.To != "" {
		return fmt.Sprintf("%d: %s %s to %s", c.N, c.Name, c.Path, c.To)
	}
	return fmt.Sprintf("%d: %s %s", c.N, c.Name, c.Path)
}

// Run runs a program to its end and asks before each call; a false answer kills it.
// The output of the program must go to files, if to anything.
func Run(cmd *exec.Cmd, may func(Call) bool) (status syscall.WaitStatus, err error) {
	// All that is said to the kernel about the program must come from the thread
	// that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return status, err
	}
	t := &tracer{pid: cmd.Process.Pid, may: may, known: make(map[int]bool), names: names()}
	status, err = t.run()
	if err != nil {
		_ = syscall.Kill(t.pid, syscall.SIGKILL)
		for {
			if _, e := syscall.Wait4(-t.pid, nil, syscall.WALL, nil); e != nil && !errors.Is(e, syscall.EINTR) {
				break
			}
		}
	}
	return status, errors.Join(err, cmd.Process.Release())
}

type tracer struct {
	pid   int
	may   func(Call) bool
	known map[int]bool // threads that were seen
	calls int
	names map[uint64]string
}

// What the kernel's headers call them; package syscall has no names for all.
const (
	traceSysGood      = 0x1
	traceFork         = 0x2
	traceVfork        = 0x4
	traceClone        = 0x8
	traceExitKill     = 0x100000
	ptraceSyscallInfo = 0x420e
	syscallInfoEntry  = 1
	stoppedAtSyscall  = syscall.SIGTRAP | 0x80
	syscallInfoSize   = 88
	syscallInfoNumber = 24 // offsets
	syscallInfoFirst  = 32
)

func (t *tracer) run() (status syscall.WaitStatus, err error) {
	for {
		var ws syscall.WaitStatus
		tid, err := syscall.Wait4(-t.pid, &ws, syscall.WALL, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return status, fmt.Errorf("wait for the program: %w", err)
		case ws.Exited() || ws.Signaled():
			if tid == t.pid {
				return ws, nil
			}
			continue
		}
		signal, err := t.stopped(tid, ws)
		if err != nil {
			return status, err
		}
		// A thread that is gone is told of by the next wait.
		if err := syscall.PtraceSyscall(tid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return status, fmt.Errorf("let the program go on: %w", err)
		}
	}
}

// stopped looks why a thread has stopped, and returns the signal with which it goes
// on.
func (t *tracer) stopped(tid int, ws syscall.WaitStatus) (signal int, err error) {
	first := !t.known[tid]
	t.known[tid] = true
	switch sig := ws.StopSignal(); {
	case first && tid == t.pid:
		if err := syscall.PtraceSetOptions(tid, traceSysGood|traceFork|traceVfork|traceClone|traceExitKill); err != nil {
			return 0, fmt.Errorf("trace the program: %w", err)
		}
		return 0, nil
	case first && sig == syscall.SIGSTOP, ws.TrapCause() > 0: // a new thread, and that there is one
		return 0, nil
	case sig == stoppedAtSyscall:
		call, asks, err := t.call(tid)
		if err != nil || !asks {
			return 0, err
		}
		if !t.may(call) {
			return 0, syscall.Kill(t.pid, syscall.SIGKILL)
		}
		return 0, nil
	default:
		return int(sig), nil
	}
}

// call reads what a thread is about to do; asks is false for what is of no
// interest.
func (t *tracer) call(tid int) (c Call, asks bool, err error) {
	var info [syscallInfoSize]byte
	_, _, e := syscall.RawSyscall6(syscall.SYS_PTRACE, ptraceSyscallInfo, uintptr(tid), syscallInfoSize, uintptr(unsafe.Pointer(&info)), 0, 0)
	if errors.Is(e, syscall.ESRCH) {
		return c, false, nil
	} else if e != 0 {
		return c, false, fmt.Errorf("read a call of the program: %w", e)
	}
	if info[0] != syscallInfoEntry {
		return c, false, nil
	}
	arg := func(i int) uint64 { return binary.NativeEndian.Uint64(info[syscallInfoFirst+8*i:]) }
	number := binary.NativeEndian.Uint64(info[syscallInfoNumber:])
	switch t.names[number] {
	case "rename":
		c = Call{Name: "rename", Path: t.text(tid, arg(0)), To: t.text(tid, arg(1))}
	case "renameat":
		c = Call{Name: "rename", Path: t.text(tid, arg(1)), To: t.text(tid, arg(3))}
	case "unlink":
		c = Call{Name: "remove", Path: t.text(tid, arg(0))}
	case "unlinkat":
		c = Call{Name: "remove", Path: t.text(tid, arg(1))}
	case "ftruncate":
		c = Call{Name: "truncate", Path: t.opened(arg(0))}
	case "fsync":
		c = Call{Name: "force", Path: t.opened(arg(0))}
	case "write":
		c = Call{Name: "send", Path: t.opened(arg(0))}
		if !strings.HasPrefix(c.Path, "socket:") {
			return c, false, nil
		}
	default:
		return c, false, nil
	}
	t.calls++
	c.N = t.calls
	return c, true, nil
}

// opened is what a file number of the program stands for.
func (t *tracer) opened(fd uint64) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", t.pid, int32(fd)))
	if err != nil {
		return err.Error()
	}
	return path
}

// text reads a text in the memory of the program.
func (t *tracer) text(tid int, at uint64) string {
	var buf [4096]byte
	n, err := syscall.PtracePeekData(tid, uintptr(at), buf[:])
	if end := bytes.IndexByte(buf[:n], 0); end >= 0 {
		return string(buf[:end])
	}
	return fmt.Sprint(err)
}
