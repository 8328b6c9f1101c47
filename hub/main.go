// Command sourire-hub takes the presses of kiosks in, counts each once and shows
// what they say.
//
// This package holds flags and sub-commands only, one file each; hub/app
// composes the hub from the parts of the line. It stands over the line, keeps
// nothing that a crash could cost, and must not know how any part works.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	_ "time/tzdata" // a fresh machine may have no zones

	"github.com/alecthomas/kong"

	"sourire/hub/app"
	"sourire/internal/setting"
)

const (
	// envPrefix begins the names of the hub's settings in the environment.
	envPrefix = "SOURIRE_HUB"
	// defaultConfig is the settings file that is read when none is named.
	defaultConfig = "sourire-hub.toml"
)

// console is what commands read and write.
type console struct {
	out, err io.Writer
	settings func() (app.Settings, error) // from flags, environment and file
}

// errFound says that a command did its work and found something wrong; what, it
// has printed.
var errFound = errors.New("something is wrong")

func main() { os.Exit(program(os.Args[1:], os.Stdout, os.Stderr)) }

// program runs a command line and returns its exit status: 0, 1 when the
// command failed, 2 when the command line or a setting is wrong.
func program(args []string, out, errs io.Writer) int {
	flags := setting.NewFlags(app.Defaults(), envPrefix)
	var cli struct {
		Config       string `short:"c" placeholder:"FILE" help:"Settings file; without it ${config} in this folder, if there is one."`
		kong.Plugins `group:"Settings"`

		Serve   serveCmd   `cmd:"" help:"Take presses in and serve the pages."`
		Verify  verifyCmd  `cmd:"" help:"Prove that each press is counted once: records, hashes, gaps, roll-ups."`
		Version versionCmd `cmd:"" help:"Print the version."`
		Print   configCmd  `cmd:"" name:"config" help:"Print a settings file with each key, its meaning and its default."`
	}
	cli.Plugins = kong.Plugins{flags.Target()}
	exit := -1
	parser := kong.Must(&cli, kong.Name("sourire-hub"),
		kong.Description("The hub of Sourire: presses in, each counted once, satisfaction out."),
		kong.Vars{"config": defaultConfig}, kong.Writers(out, errs), kong.Exit(func(code int) { exit = code }))
	c := &console{out: out, err: errs, settings: func() (app.Settings, error) {
		from := setting.Source{File: cli.Config, EnvPrefix: envPrefix, Environ: os.Environ(), Flags: flags.Given()}
		if from.File == "" {
			from.File, from.Optional = defaultConfig, true
		}
		s, err := setting.Load(app.Defaults(), from)
		if err == nil {
			err = s.Check()
		}
		if err != nil {
			return s, usageError{err}
		}
		return s, nil
	}}
	k, err := parser.Parse(args)
	if exit >= 0 { // --help
		return exit
	}
	if err != nil {
		fmt.Fprintf(errs, "sourire-hub: %v\nTry sourire-hub --help.\n", err)
		return 2
	}
	err = k.Run(c)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFound):
		return 1
	case errors.As(err, &usage):
		fmt.Fprintf(errs, "sourire-hub: %v\n", err)
		return 2
	}
	fmt.Fprintf(errs, "sourire-hub: %v\n", err)
	return 1
}

// usageError marks what the person at the command line has to mend.
type usageError struct{ error }

// Unwrap returns what is wrong.
func (e usageError) Unwrap() error { return e.error }
