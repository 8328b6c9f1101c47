package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// system is what a load is put on.
type system interface {
	// ask answers one line with where the system stands; its CPU is that of every
	// process which serves.
	ask(line string) (status, error)
}

// treeCPU returns the CPU time of a process and of all that it has started, those
// that have ended and were awaited included.
func treeCPU(pid int) time.Duration {
	children := map[int][]int{}
	used := map[int]time.Duration{}
	folders, _ := filepath.Glob("/proc/[0-9]*") // the pattern is right
	for _, folder := range folders {
		id, err := strconv.Atoi(filepath.Base(folder))
		if err != nil {
			continue
		}
		if parent, buried, ok := stat(folder); ok {
			children[parent] = append(children[parent], id)
			used[id] = buried + living(folder)
		}
	}
	var sum func(int) time.Duration
	sum = func(pid int) time.Duration {
		total := used[pid]
		for _, child := range children[pid] {
			total += sum(child)
		}
		return total
	}
	return sum(pid)
}

// stat returns the parent of a process and the CPU time of its awaited children.
func stat(folder string) (parent int, buried time.Duration, ok bool) {
	b, err := os.ReadFile(filepath.Join(folder, "stat"))
	if err != nil {
		return 0, 0, false
	}
	// "pid (name) state parent …"; the name may hold anything.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 15 {
		return 0, 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	const tick = 10 * time.Millisecond // of proc(5), on every machine that matters
	for _, f := range fields[13:15] {
		n, _ := strconv.Atoi(f)
		buried += time.Duration(n) * tick
	}
	return parent, buried, err == nil
}

// living returns the CPU time of a process's threads, to the nanosecond.
func living(folder string) time.Duration {
	var total time.Duration
	files, _ := filepath.Glob(filepath.Join(folder, "task", "*", "schedstat"))
	for _, file := range files {
		var used time.Duration
		if _, err := fmt.Sscan(firstLine(file), &used); err == nil {
			total += used
		}
	}
	return total
}

// resident returns the bytes of memory that a process holds.
func resident(pid int) (int64, error) {
	text := field(fmt.Sprintf("/proc/%d/status", pid), "VmRSS")
	kib, err := strconv.ParseInt(strings.TrimSuffix(text, " kB"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the memory of process %d: %w", pid, err)
	}
	return kib << 10, nil
}
