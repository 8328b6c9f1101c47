// Command sourire-kiosk takes presses on faces, keeps each on disk, and brings
// them to a hub.
//
// This package holds flags and sub-commands only, one file each; kiosk/app
// composes the kiosk from the parts of the line. It stands over the line, keeps
// nothing that a crash could cost, and must not know how any part works. There are
// two exceptions to "flags only": hardware.go makes buttons and lamps of settings,
// and window.go, built with -tags gui,
// is where a toolkit takes over the main goroutine; without that tag
// window_stub.go stands in its place and refuses.
package main

import (
	"io"
	"os"
	_ "time/tzdata" // a kiosk may have no zones

	"sourire/internal/command"
	"sourire/kiosk/settings"
)

// envPrefix begins the names of the kiosk's settings in the environment.
const envPrefix = "SOURIRE_KIOSK"

// console is what commands read and write.
type console = command.Console[settings.Settings]

func main() { os.Exit(program(os.Args[1:], os.Stdout, os.Stderr)) }

// program runs a command line and returns its exit status.
func program(args []string, out, errs io.Writer) int {
	var commands struct {
		Run      runCmd      `cmd:"" help:"Take presses and bring them to the hub, until a signal."`
		Status   statusCmd   `cmd:"" help:"Tell how this kiosk is, running or not."`
		Pins     pinsCmd     `cmd:"" bare:"" help:"List the GPIO lines to which buttons and lamps can be wired."`
		Press    pressCmd    `cmd:"" help:"Press a face of a stopped kiosk once."`
		Simulate simulateCmd `cmd:"" help:"Run many kiosks with made-up visitors against a hub."`
		Version  versionCmd  `cmd:"" bare:"" help:"Print the version."`
		Print    configCmd   `cmd:"" bare:"" name:"config" help:"Print a settings file with each key, its meaning and its default."`
	}
	return command.Program[settings.Settings]{
		Name:        "sourire-kiosk",
		Description: "A kiosk of Sourire: a finger on a face, on disk before it is thanked, and then at the hub.",
		EnvPrefix:   envPrefix, Config: "sourire-kiosk.toml", Defaults: settings.Defaults(),
	}.Run(&commands, args, console{Out: out, Err: errs})
}

// checked returns settings that a kiosk can start with.
func checked(c *console) (settings.Settings, error) {
	s, err := c.Settings()
	if err == nil {
		if err = s.Check(); err != nil {
			err = command.Usage(err)
		}
	}
	return s, err
}
