package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	var o options
	flag.StringVar(&o.hub, "hub", "", "address of the hub's broker: mqtts://host:port")
	flag.StringVar(&o.prefix, "prefix", "crowd", "begins the ids of the kiosks")
	flag.IntVar(&o.kiosks, "kiosks", 100, "how many")
	flag.StringVar(&o.folder, "certs", "", "folder of their certificates, {id}.crt and {id}.key")
	flag.StringVar(&o.ca, "ca", "", "file of the authority that signed the broker's")
	flag.StringVar(&o.ledger, "ledger", "", "file of what must arrive")
	flag.Float64Var(&o.perHour, "per-hour", 120, "presses of each, in an hour, while visitors come")
	flag.Parse()
	if err := obey(o, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		os.Exit(1)
	}
}

// obey does what lines say, and answers each with a Status when it is done; the
// end of in ends the crowd.
//
//	status
//	connect     the kiosks are switched on, all at once
//	open        visitors come
//	close       and go
//	window      measure anew
//	cut         end all connections at once
func obey(o options, in io.Reader, out io.Writer) error {
	c, err := open(o)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	ended, running := make(chan error, 1), false
	answers := json.NewEncoder(out)
	for lines := bufio.NewScanner(in); lines.Scan(); {
		switch order := lines.Text(); order {
		case "status":
		case "connect":
			running = true
			go func() {
				err := c.run(ctx)
				stop(err)
				ended <- err
			}()
		case "open":
			c.visiting.Store(true)
		case "close":
			c.visiting.Store(false)
		case "window":
			c.window()
		case "cut":
			err = c.cut()
		default:
			err = fmt.Errorf("%q is no order", order)
		}
		if err == nil && running && ctx.Err() != nil {
			err = errors.Join(errors.New("the crowd has ended"), context.Cause(ctx))
		}
		if err != nil {
			return err
		}
		if err := answers.Encode(c.status()); err != nil {
			return err
		}
	}
	stop(nil)
	if !running {
		return nil
	}
	return <-ended
}
