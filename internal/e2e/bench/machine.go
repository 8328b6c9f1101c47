package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// machine says where and of what the figures are. What cannot be found out is
// left out.
func machine(folder string) string {
	var b strings.Builder
	add := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-12s %s\n", name, value)
		}
	}
	add("date", time.Now().Format(time.DateOnly))
	add("commit", commit())
	add("go", runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH)
	add("machine", fmt.Sprintf("%d cores, %s", runtime.NumCPU(), field("/proc/cpuinfo", "model name")))
	add("kernel", firstLine("/proc/sys/kernel/osrelease"))
	add("file system", fileSystem(folder))
	add("load before", firstLine("/proc/loadavg"))
	return b.String()
}

// commit returns the commit of the working folder, marked when Go files differ
// from it.
func commit() string {
	out, err := exec.Command("git", "log", "-1", "--format=%h").Output()
	if err != nil {
		return ""
	}
	id := strings.TrimSpace(string(out))
	if changed, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no", "--", "*.go").Output(); err == nil && len(changed) > 0 {
		id += " and changes that are not committed"
	}
	return id
}

// field returns what a file of "name : value" lines says first of a name.
func field(file, name string) string {
	text, _ := os.ReadFile(file)
	for l := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func firstLine(file string) string {
	text, _ := os.ReadFile(file)
	l, _, _ := strings.Cut(string(text), "\n")
	return l
}

// fileSystem names the file system of a folder, by the numbers of statfs(2).
func fileSystem(folder string) string {
	var s syscall.Statfs_t
	if syscall.Statfs(folder, &s) != nil {
		return ""
	}
	switch s.Type {
	case 0xef53:
		return "ext4"
	case 0x58465342:
		return "xfs"
	case 0x9123683e:
		return "btrfs"
	case 0x794c7630:
		return "overlay"
	case 0x01021994:
		return "tmpfs: NOTHING IS DURABLE HERE; name a folder on a disk with -data"
	}
	return fmt.Sprintf("%#x", s.Type)
}
