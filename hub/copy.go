package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"sourire/hub/app"
	"sourire/hub/backup"
	"sourire/hub/store/sqlstore"
	"sourire/internal/command"
	"sourire/internal/durable"
	"sourire/internal/run"
)

// copyCmd moves a store from a file to PostgreSQL, or back.
type copyCmd struct {
	To string `required:"" placeholder:"TARGET" help:"postgres://user@host:5432/database, an empty database; or, if the store is on PostgreSQL, a file that does not exist yet."`
}

// Run copies the store of a hub that does not run. Where other hubs write to the
// same database meanwhile, it copies one moment, and kiosks send the rest again.
func (cmd *copyCmd) Run(c *console) (err error) {
	s, err := checked(c)
	if err != nil {
		return err
	}
	toServer := strings.HasPrefix(cmd.To, "postgres://") || strings.HasPrefix(cmd.To, "postgresql://")
	switch onServer := s.Store.Postgres != ""; {
	case toServer && onServer:
		return command.Usage(errors.New("the store is on PostgreSQL already ([store] postgres): pg_dump copies it to another server"))
	case !toServer && !onServer:
		return command.Usage(fmt.Errorf("the store is a file already: sourire-hub backup %s copies it to another", cmd.To))
	}
	folder, err := durable.Open(s.Data)
	if errors.Is(err, durable.ErrLocked) {
		return fmt.Errorf("the hub must not run while its store is copied: %w", err)
	} else if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	ctx, stop := run.Context()
	defer stop()
	from, err := app.OpenStore(ctx, s, sqlstore.Options{MustExist: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if err := from.QuickCheck(ctx); err != nil {
		return err
	}
	show := newBar(c.Err)
	o := backup.Options{Progress: show.progress}
	var moved backup.Moved
	if toServer {
		moved, err = cmd.toServer(ctx, c, from, o)
	} else {
		moved, err = backup.MoveToFile(ctx, from, cmd.To, o)
	}
	show.end()
	if err != nil {
		return err
	}
	// The folder goes on with the copy: the hub that starts next need not wonder.
	if home, e := filepath.Abs(cmd.To); toServer || e == nil && home == folder.Path(app.FileName) {
		if err := app.Vouch(folder, moved.Store, moved.Term); err != nil {
			return err
		}
	}
	return cmd.print(c, moved, toServer)
}

func (cmd *copyCmd) toServer(ctx context.Context, c *console, from *sqlstore.Store, o backup.Options) (m backup.Moved, err error) {
	to, err := sqlstore.Dial(ctx, cmd.To, sqlstore.Options{ForCopy: true, Setting: "--to"})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	begun, err := to.Begun(ctx)
	if err != nil {
		return m, err
	}
	if begun {
		fmt.Fprintln(c.Out, "copy: an earlier copy into this database was interrupted: it begins anew")
	}
	err = app.Reserve(ctx, to, "copy", func() error {
		m, err = backup.Move(ctx, from, to, o)
		return err
	})
	if err != nil {
		return m, fmt.Errorf("--to: %w", err)
	}
	return m, nil
}

func (cmd *copyCmd) print(c *console, moved backup.Moved, toServer bool) error {
	records, lost := received(moved.Report)
	fmt.Fprintf(c.Out, "copy: %d rows, each read back; both sides prove %d records of %d journals and %d declared lost, with the same visits and roll-ups\n",
		moved.Rows, records, len(moved.Report.Findings), lost)
	next := "start the hub with this file as hub.db in its data folder, and without [store] postgres"
	if toServer {
		next = "set [store] postgres to it and start the hub; hub.db is left as it is"
	}
	fmt.Fprintf(c.Out, "copy: the copy is store %s: %s. Kiosks ask it what it has and send the rest\n", moved.Store, next)
	if !moved.Report.OK() {
		fmt.Fprintln(c.Out, "copy: something does not agree, on both sides alike: sourire-hub verify says what")
		return command.ErrFound
	}
	return nil
}
