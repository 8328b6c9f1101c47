package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
)

// options are the command line.
type options struct {
	short   bool
	write   string // file to write the results to; empty: none
	data    string // folder that is measured
	profile string // folder for CPU profiles of the hub; empty: none
	child   string // run as the hub on this folder
	store   string // of the hub: address on PostgreSQL; empty: in the folder
}

func main() {
	var o options
	flag.BoolVar(&o.short, "short", false, "measure next to nothing, to see that every figure is printed")
	write := flag.Bool("write", false, "write the results to internal/e2e/bench/results.txt")
	flag.StringVar(&o.data, "data", "", "folder on the disk to measure; default: the folder of temporary files")
	flag.StringVar(&o.profile, "profile", "", "folder in which to leave a CPU profile of the hub for each load")
	flag.StringVar(&o.child, "hub", "", "internal: be the hub on this folder")
	flag.StringVar(&o.store, "postgres", "", "internal: and keep its store there")
	flag.Parse()
	if *write {
		o.write = filepath.Join("internal", "e2e", "bench", "results.txt")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := program(ctx, o, os.Stdin, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// program is the hub, or measures one.
func program(ctx context.Context, o options, in io.Reader, out io.Writer) error {
	if o.child != "" {
		return beHub(o.child, o.store, in, out)
	}
	folder, err := os.MkdirTemp(o.data, "sourire-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	p := full()
	if o.short {
		p = short()
	}
	text := machine(folder) // before: the load of the bench itself is no news
	r, err := measure(ctx, p, folder, o.profile)
	if err != nil {
		return err
	}
	text += "\n" + r.table()
	if _, err := io.WriteString(out, text); err != nil || o.write == "" {
		return err
	}
	return os.WriteFile(o.write, []byte(text), 0o644)
}
