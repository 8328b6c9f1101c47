//go:build linux

// Command guest is the first process of the machine that internal/vmtest starts:
// it mounts, loads modules, brings the network up and then does what the host
// asks for, one line of JSON for each request on a connection that it dials.
//
// It stands beside the line, in tests only. It keeps nothing: what a test wants to
// survive lies on the disk that it gives to the machine.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"sourire/internal/vmtest/agent"
)

func main() {
	if err := boot(); err != nil {
		fmt.Println("guest:", err)
	}
	// The host sees that it cannot connect, and prints what stands here.
	if err := serve(); err != nil {
		fmt.Println("guest:", err)
	}
	power(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func power(cmd int) {
	unix.Sync()
	_ = unix.Reboot(cmd)
}

func boot() error {
	var errs []error
	for _, m := range []struct{ fs, path string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}, {"tmpfs", "/run"},
	} {
		errs = append(errs, os.MkdirAll(m.path, 0o755), unix.Mount(m.fs, m.path, m.fs, 0, ""))
	}
	modules, err := filepath.Glob("/modules/*.ko")
	errs = append(errs, err)
	sort.Strings(modules) // their names begin with a number
	for _, name := range modules {
		errs = append(errs, load(name))
	}
	errs = append(errs, network("lo", nil), network("eth0", net.IPv4(10, 0, 2, 15)))
	return errors.Join(errs...)
}

func load(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// network brings an interface up.
func network(name string, ip net.IP) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	set := func(request uint, prepare func(*unix.Ifreq) error) error {
		r, err := unix.NewIfreq(name)
		if err == nil {
			err = prepare(r)
		}
		if err == nil {
			err = unix.IoctlIfreq(fd, request, r)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	if ip != nil {
		if err := set(unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(ip.To4()) }); err != nil {
			return err
		}
	}
	return set(unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil })
}

// serve asks the host what to do, until it hangs up.
func serve() error {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	address := ""
	for _, word := range strings.Fields(string(line)) {
		if v, ok := strings.CutPrefix(word, agent.Param+"="); ok {
			address = v
		}
	}
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	running := make(map[string]*exec.Cmd)
	in, out := json.NewDecoder(bufio.NewReader(c)), json.NewEncoder(c)
	for {
		var q agent.Request
		if err := in.Decode(&q); err != nil {
			return err
		}
		a, err := do(q, running)
		if err != nil {
			a.Err = err.Error()
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
}

func do(q agent.Request, running map[string]*exec.Cmd) (agent.Answer, error) {
	switch q.Do {
	case agent.Run:
		var out bytes.Buffer
		cmd := exec.Command(q.Args[0], q.Args[1:]...)
		cmd.Stdout, cmd.Stderr, cmd.Stdin = &out, &out, strings.NewReader(q.Text)
		err := cmd.Run()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return agent.Answer{Out: out.String(), Code: exit.ExitCode()}, nil
		}
		return agent.Answer{Out: out.String()}, err
	case agent.Start:
		cmd := exec.Command(q.Args[0], q.Args[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
		running[q.Name] = cmd
		return agent.Answer{}, cmd.Start()
	case agent.Signal:
		cmd := running[q.Name]
		if cmd == nil {
			return agent.Answer{}, fmt.Errorf("%s does not run", q.Name)
		}
		if err := cmd.Process.Signal(syscall.Signal(q.Number)); err != nil {
			return agent.Answer{}, err
		}
		_ = cmd.Wait() // its status is told by Code
		delete(running, q.Name)
		return agent.Answer{Code: cmd.ProcessState.ExitCode()}, nil
	case agent.Write:
		return agent.Answer{}, errors.Join(os.MkdirAll(filepath.Dir(q.Path), 0o755), write(q.Path, q.Text))
	case agent.Read:
		text, err := os.ReadFile(q.Path)
		return agent.Answer{Out: string(text)}, err
	case agent.Mount:
		return agent.Answer{}, errors.Join(os.MkdirAll(q.Path, 0o755), unix.Mount(q.Name, q.Path, "ext4", 0, q.Text))
	case agent.Unmount:
		return agent.Answer{}, unix.Unmount(q.Path, 0)
	case agent.Clock:
		now := unix.NsecToTimeval(q.Number * 1e6)
		return agent.Answer{}, unix.Settimeofday(&now)
	case agent.Off:
		power(unix.LINUX_REBOOT_CMD_POWER_OFF)
	}
	return agent.Answer{}, fmt.Errorf("%q is not known", q.Do)
}

// write writes to a file that may be one of the kernel's, which must not be
// truncated or created.
func write(path, text string) error {
	flags := os.O_WRONLY
	if !strings.HasPrefix(path, "/sys/") && !strings.HasPrefix(path, "/proc/") {
		flags |= os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
