package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"syscall"
	"time"

	"sourire/hub/app"
	"sourire/internal/run"
)

// status is what a program says of itself, one line of JSON for each line that it
// reads.
type status struct {
	Address string // of its broker
	CPU     time.Duration
	Taken   int64 // payloads; of the peer records
	Dropped int64
	Groups  int64 // transactions
}

// hubKey is the kiosks' key.
const hubKey = "bench"

// hubSettings are the settings of the hub in a folder, with its store on
// PostgreSQL unless that address is empty.
func hubSettings(folder, postgres string) app.Settings {
	s := app.Defaults()
	s.Store.Postgres = postgres
	s.Data = filepath.Join(folder, "hub")
	s.Web.Listen, s.Broker.Listen = "127.0.0.1:0", "127.0.0.1:0"
	s.Kiosks.Key = hubKey
	return s
}

// beHub runs a hub until in ends. A line "profile FILE" begins a CPU profile,
// "profile" ends it, and every line is answered with the status.
func beHub(folder, postgres string, in io.Reader, out io.Writer) error {
	hub, err := app.New(context.Background(), app.Options{
		Settings: hubSettings(folder, postgres),
		Log:      slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	var garbage sync.WaitGroup
	garbage.Go(func() { run.BoundGarbage(ctx) }) // as serve does
	defer garbage.Wait()
	defer stop()
	answers := json.NewEncoder(out)
	lines := bufio.NewScanner(in)
	for err == nil && lines.Scan() {
		verb, file, _ := strings.Cut(lines.Text(), " ")
		if verb == "profile" {
			err = profile(file)
		}
		if err == nil {
			st := hub.Stats()
			err = answers.Encode(status{
				Address: hub.BrokerAddr(), CPU: ownCPU(), Taken: st.Taken, Dropped: st.Dropped, Groups: st.Groups,
			})
		}
	}
	return errors.Join(err, lines.Err(), hub.Stop())
}

// profile begins a CPU profile in file, or ends one when file is empty.
func profile(file string) error {
	if file == "" {
		pprof.StopCPUProfile()
		return nil
	}
	f, err := os.Create(file) // closed by the end of the process
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(f)
}

// ownCPU returns the CPU time that this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// child is a process that answers lines, as beHub does. One goroutine uses it.
type child struct {
	process *exec.Cmd
	in      io.WriteCloser
	answers *json.Decoder
	address string // host:port of its broker
}

// startHub runs this program again as a hub that keeps its data in folder, or on
// PostgreSQL at an address.
func startHub(ctx context.Context, folder, postgres string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	h, err := startChild(exec.CommandContext(ctx, self, "-hub", folder, "-postgres", postgres))
	if err != nil {
		return nil, fmt.Errorf("the hub: %w", err)
	}
	if err := awaitHub(h.address); err != nil {
		return nil, errors.Join(err, h.stop())
	}
	return h, nil
}

// startChild runs a program until it answers.
func startChild(cmd *exec.Cmd) (*child, error) {
	c := &child{process: cmd}
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = time.Second
	var err error
	if c.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.answers = json.NewDecoder(out)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	st, err := c.ask("status")
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	c.address = strings.TrimPrefix(st.Address, "mqtt://")
	return c, nil
}

// ask implements system.
func (c *child) ask(line string) (status, error) {
	var st status
	if _, err := fmt.Fprintln(c.in, line); err != nil {
		return st, fmt.Errorf("ask %s: %w", c.process.Path, err)
	}
	if err := c.answers.Decode(&st); err != nil {
		return st, fmt.Errorf("ask %s: %w", c.process.Path, err)
	}
	return st, nil
}

// stop ends the program in order and waits for it.
func (c *child) stop() error {
	_ = c.in.Close()
	return c.process.Wait()
}
