package main

import (
	"encoding/json"
	"fmt"

	"sourire/hub/app"
	"sourire/hub/store/sqlstore"
	"sourire/internal/run"
)

// auditCmd prints the audit log.
type auditCmd struct {
	JSON bool `name:"json" help:"One JSON value in each line."`
}

// Help stands below the summary.
func (auditCmd) Help() string { return "Example: sourire-hub audit --json" }

// auditPage is how many entries are read at once.
const auditPage = 500

// Run prints all entries, the oldest first.
func (cmd *auditCmd) Run(c *console) error {
	s, err := checked(c)
	if err != nil {
		return err
	}
	ctx, stop := run.Context()
	defer stop()
	store, err := app.OpenStore(ctx, s, sqlstore.Options{MustExist: true})
	if err != nil {
		return err
	}
	defer store.Close()
	for last := int64(0); ; {
		entries, err := store.Entries(ctx, last, auditPage)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, e := range entries {
			last = e.ID
			if cmd.JSON {
				if err := json.NewEncoder(c.Out).Encode(e); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(c.Out, "%6d  %s  %-10s %-20s", e.ID, e.At.Local().Format("2006-01-02 15:04:05 -0700"), e.What, e.Who)
			if e.Was != nil {
				fmt.Fprintf(c.Out, "  %s →", e.Was)
			}
			fmt.Fprintf(c.Out, "  %s\n", e.Became)
		}
	}
}
