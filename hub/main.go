// Command sourire-hub takes the presses of kiosks in, counts each once and shows
// what they say.
//
// This package holds flags and sub-commands only, one file each; hub/app
// composes the hub from the parts of the line. It stands over the line, keeps
// nothing that a crash could cost, and must not know how any part works.
package main

import (
	"fmt"
	"io"
	"os"

	_ "time/tzdata" // a fresh machine may have no zones

	"sourire/hub/app"
	"sourire/internal/command"
)

// envPrefix begins the names of the hub's settings in the environment.
const envPrefix = "SOURIRE_HUB"

// console is what commands read and write.
type console = command.Console[app.Settings]

func main() { os.Exit(program(os.Args[1:], os.Stdout, os.Stderr)) }

// program runs a command line and returns its exit status.
func program(args []string, out, errs io.Writer) int {
	var commands struct {
		Serve   serveCmd   `cmd:"" help:"Take presses in and serve the pages."`
		Verify  verifyCmd  `cmd:"" help:"Prove that each press is counted once: records, hashes, gaps, roll-ups."`
		Rebuild rebuildCmd `cmd:"" help:"Derive visits and roll-ups anew from the records, beside the running hub."`
		Export  exportCmd  `cmd:"" help:"Write everything that the store holds into plain files: JSON Lines and CSV."`
		Import  importCmd  `cmd:"" help:"Take an export of a hub in, or a press history of another system (--csv)."`
		Backup  backupCmd  `cmd:"" help:"Write everything that the store holds into one file, also while the hub runs."`
		Restore restoreCmd `cmd:"" help:"Put a backup in the place of the store of a hub that does not run."`
		Upkeep  upkeepCmd  `cmd:"" help:"Delete what is kept no longer, or say what would be, beside the running hub."`
		Audit   auditCmd   `cmd:"" help:"Print who did what to this hub: periods, deletions."`
		Copy    copyCmd    `cmd:"" help:"Move the store from a file to PostgreSQL, or back."`
		Version versionCmd `cmd:"" bare:"" help:"Print the version."`
		Print   configCmd  `cmd:"" bare:"" name:"config" help:"Print a settings file with each key, its meaning and its default."`
	}
	return command.Program[app.Settings]{
		Name: "sourire-hub", Description: "The hub of Sourire: presses in, each counted once, satisfaction out.",
		EnvPrefix: envPrefix, Config: "sourire-hub.toml", Defaults: app.Defaults(),
	}.Run(&commands, args, console{Out: out, Err: errs})
}

// checked returns settings that a hub can start with.
func checked(c *console) (app.Settings, error) {
	s, err := c.Settings()
	if err != nil {
		return s, err
	}
	if err := s.CheckSites(); err != nil {
		return s, command.Usage(fmt.Errorf("%s: %w", c.File, err))
	}
	if err := s.Check(); err != nil {
		return s, command.Usage(err)
	}
	return s, nil
}
