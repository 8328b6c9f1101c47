// Package command is the command line that both programs share: settings from
// flags, environment and file, commands, errors as sentences, exit statuses.
//
// It stands at the beginning of both programs, before the straight line, with
// internal/setting behind it. It keeps nothing. It must not know any command or
// key; it and the mains alone know the library that parses.
package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"

	"github.com/alecthomas/kong"

	"sourire/internal/setting"
)

// Program is a program with settings of type T.
type Program[T any] struct {
	Name        string
	Description string
	EnvPrefix   string // begins the names of its settings in the environment
	Config      string // the settings file that is read when none is named
	Defaults    T
}

// Console is what commands get: each has a method Run(*Console[T]) error.
type Console[T any] struct {
	Out, Err io.Writer
	// Settings loads the settings; its error is a usage error.
	Settings func() (T, error)
	// File is the settings file, which may not be there; set by Settings.
	File string
}

// ErrFound says that a command did its work and found something wrong; what, it
// has printed.
var ErrFound = errors.New("something is wrong")

// Usage marks an error as one that the person at the command line has to mend.
func Usage(err error) error { return usageError{err} }

type usageError struct{ error }

// Unwrap returns what is wrong.
func (e usageError) Unwrap() error { return e.error }

// group is the title above the settings in the help.
const group = "Settings"

// help prints the help of a command. One whose field has the tag bare reads no
// settings, so that its help lists none.
func help(o kong.HelpOptions, ctx *kong.Context) error {
	if selected := ctx.Selected(); selected != nil && selected.Tag.Has("bare") {
		for _, flag := range ctx.Model.Flags {
			if flag.Name == "config" || flag.Group != nil && flag.Group.Title == group {
				flag.Hidden = true
			}
		}
	}
	return kong.DefaultHelpPrinter(o, ctx)
}

// negative is a number that begins like a flag.
var negative = regexp.MustCompile(`^-[0-9.]+$`)

// Run runs a command line and returns its exit status: 0, 1 when the command
// failed, 2 when the command line or a setting is wrong. commands is a pointer
// to a struct that has a field for each command, tagged for the parser, and with
// bare:"" if it reads no settings.
func (p Program[T]) Run(commands any, args []string, c Console[T]) int {
	flags := setting.NewFlags(p.Defaults, p.EnvPrefix)
	var cli struct {
		Config   string       `short:"c" placeholder:"FILE" help:"Settings file; without it ${config} in this folder, if there is one."`
		Flags    kong.Plugins `embed:"" group:"Settings"`
		Commands kong.Plugins `embed:""`
	}
	cli.Flags = kong.Plugins{flags.Target()}
	cli.Commands = kong.Plugins{commands}
	exit := -1
	parser := kong.Must(&cli, kong.Name(p.Name), kong.Description(p.Description),
		kong.Vars{"config": p.Config}, kong.Help(help), kong.ConfigureHelp(kong.HelpOptions{FlagsLast: true}),
		kong.Writers(c.Out, c.Err), kong.Exit(func(code int) { exit = code }))
	c.Settings = func() (T, error) {
		from := setting.Source{File: cli.Config, EnvPrefix: p.EnvPrefix, Environ: os.Environ(), Flags: flags.Given()}
		if from.File == "" {
			from.File, from.Optional = p.Config, true
		}
		c.File = from.File
		s, err := setting.Load(p.Defaults, from)
		if err != nil {
			return s, Usage(err)
		}
		return s, nil
	}
	k, err := parser.Parse(args)
	if exit >= 0 { // --help
		return exit
	}
	if i := slices.IndexFunc(args, negative.MatchString); err != nil && i >= 0 {
		err = fmt.Errorf("%s is below 0: no command takes such a number", args[i]) // the parser takes it for flags
	}
	if err != nil {
		fmt.Fprintf(c.Err, "%s: %v\nTry %s --help.\n", p.Name, err, p.Name)
		return 2
	}
	err = k.Run(&c)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrFound):
		return 1
	}
	fmt.Fprintf(c.Err, "%s: %v\n", p.Name, err)
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}
