// Command sourire-kiosk takes presses on faces, keeps each on disk, and brings
// them to a hub.
//
// This package holds flags and sub-commands only, one file each; kiosk/app
// composes the kiosk from the parts of the line. It stands over the line, keeps
// nothing that a crash could cost, and must not know how any part works. The
// window is the one exception to "flags only": window.go, built with -tags gui,
// is where a toolkit takes over the main goroutine; without that tag
// window_stub.go stands in its place and refuses.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"sourire/internal/setting"
	"sourire/kiosk/settings"
)

const (
	// envPrefix begins the names of the kiosk's settings in the environment.
	envPrefix = "SOURIRE_KIOSK"
	// defaultConfig is the settings file that is read when none is named.
	defaultConfig = "sourire-kiosk.toml"
)

// console is what commands read and write.
type console struct {
	out, err io.Writer
	settings func() (settings.Settings, error) // from flags, environment and file
}

func main() { os.Exit(program(os.Args[1:], os.Stdout, os.Stderr)) }

// program runs a command line and returns its exit status: 0, 1 when the
// command failed, 2 when the command line or a setting is wrong.
func program(args []string, out, errs io.Writer) int {
	flags := setting.NewFlags(settings.Defaults(), envPrefix)
	var cli struct {
		Config       string `short:"c" placeholder:"FILE" help:"Settings file; without it ${config} in this folder, if there is one."`
		kong.Plugins `group:"Settings"`

		Run      runCmd      `cmd:"" help:"Take presses and bring them to the hub, until a signal."`
		Status   statusCmd   `cmd:"" help:"Tell how this kiosk is, running or not."`
		Press    pressCmd    `cmd:"" help:"Press a face of a stopped kiosk once."`
		Simulate simulateCmd `cmd:"" help:"Run many kiosks with made-up visitors against a hub."`
		Version  versionCmd  `cmd:"" help:"Print the version."`
		Print    configCmd   `cmd:"" name:"config" help:"Print a settings file with each key, its meaning and its default."`
	}
	cli.Plugins = kong.Plugins{flags.Target()}
	exit := -1
	parser := kong.Must(&cli, kong.Name("sourire-kiosk"),
		kong.Description("A kiosk of Sourire: a finger on a face, on disk before it is thanked, and then at the hub."),
		kong.Vars{"config": defaultConfig}, kong.Writers(out, errs), kong.Exit(func(code int) { exit = code }))
	c := &console{out: out, err: errs, settings: func() (settings.Settings, error) {
		from := setting.Source{File: cli.Config, EnvPrefix: envPrefix, Environ: os.Environ(), Flags: flags.Given()}
		if from.File == "" {
			from.File, from.Optional = defaultConfig, true
		}
		s, err := setting.Load(settings.Defaults(), from)
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
		fmt.Fprintf(errs, "sourire-kiosk: %v\nTry sourire-kiosk --help.\n", err)
		return 2
	}
	err = k.Run(c)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(errs, "sourire-kiosk: %v\n", err)
		return 2
	}
	fmt.Fprintf(errs, "sourire-kiosk: %v\n", err)
	return 1
}

// checked returns settings that a kiosk can start with.
func (c *console) checked() (settings.Settings, error) {
	s, err := c.settings()
	if err == nil {
		if err = s.Check(); err != nil {
			err = usageError{err}
		}
	}
	return s, err
}

// usageError marks what the person at the command line has to mend.
type usageError struct{ error }

// Unwrap returns what is wrong.
func (e usageError) Unwrap() error { return e.error }
