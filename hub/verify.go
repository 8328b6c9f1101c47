package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"sourire/hub/app"
	"sourire/hub/backup"
	"sourire/hub/store/sqlstore"
	"sourire/hub/verify"
	"sourire/internal/command"
	"sourire/internal/feedback"
	"sourire/internal/ledger"
	"sourire/internal/run"
)

// verifyCmd proves that what the hub shows is what the kiosks recorded.
type verifyCmd struct {
	Kiosk  string `arg:"" optional:"" help:"Only this kiosk; roll-ups are compared when all are verified."`
	Quiet  bool   `short:"q" help:"Print nothing where everything agrees."`
	Backup string `placeholder:"FILE" help:"Instead of the hub's store: a backup, which is only read. It is unpacked into the folder for temporary files."`
	Ledger string `placeholder:"FILE" help:"Also hold the records against a ledger of what must have arrived, as sourire-kiosk simulate writes it."`
}

// Help stands below the summary.
func (verifyCmd) Help() string { return "Example: sourire-hub verify --data=/var/lib/sourire-hub" }

// Run verifies; it may run beside a serving hub.
func (cmd *verifyCmd) Run(c *console) error {
	s, err := checked(c)
	if err != nil {
		return err
	}
	if cmd.Kiosk != "" {
		if _, err := feedback.ParseKioskID(cmd.Kiosk); err != nil {
			return command.Usage(err)
		}
	}
	book, err := cmd.book()
	if err != nil {
		return err
	}
	ctx, stop := run.Context()
	defer stop()
	store, done, err := cmd.open(ctx, s)
	if err != nil {
		return err
	}
	defer done()
	if err := cmd.sayBackup(ctx, c, store); err != nil {
		return err
	}
	if err := store.QuickCheck(ctx); err != nil {
		return err
	}
	report, err := verify.Run(ctx, store, feedback.KioskID(cmd.Kiosk), progress(c.Err, "records read"))
	if err != nil {
		return err
	}
	if book == nil {
		return cmd.print(c, report)
	}
	found, err := verify.Compare(ctx, store, book)
	if err != nil {
		return err
	}
	return errors.Join(cmd.print(c, report), cmd.printComparison(c, found))
}

// open opens what is to be verified; done closes it.
func (cmd *verifyCmd) open(ctx context.Context, s app.Settings) (store *sqlstore.Store, done func(), err error) {
	if cmd.Backup == "" {
		store, err = app.OpenStore(ctx, s, sqlstore.Options{MustExist: true})
		return store, func() { _ = store.Close() }, err
	}
	dir, err := os.MkdirTemp("", "sourire-hub-verify")
	if err != nil {
		return nil, nil, err
	}
	path := filepath.Join(dir, app.FileName)
	if _, _, err = backup.Unpack(ctx, cmd.Backup, path, backup.Options{NoVerify: true}); err == nil {
		store, err = sqlstore.Open(ctx, path)
	}
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return store, func() { _ = store.Close(); _ = os.RemoveAll(dir) }, nil
}

// sayBackup says what a backup goes on holding.
func (cmd *verifyCmd) sayBackup(ctx context.Context, c *console, store *sqlstore.Store) error {
	if cmd.Backup == "" || cmd.Quiet {
		return nil
	}
	m, err := store.Manifest(ctx)
	if err != nil || m == nil {
		return err
	}
	fmt.Fprintf(c.Out, "%s was taken at %s; %s\n", cmd.Backup, m.TakenAt.Local().Format("2006-01-02 15:04:05 -0700"), holds(m))
	return nil
}

// book reads the ledger that was asked for, if any.
func (cmd *verifyCmd) book() (*ledger.Book, error) {
	if cmd.Ledger == "" {
		return nil, nil
	}
	if cmd.Kiosk != "" {
		return nil, command.Usage(errors.New("a ledger is compared as a whole: leave the kiosk out"))
	}
	file, err := os.Open(cmd.Ledger)
	if err != nil {
		return nil, command.Usage(fmt.Errorf("--ledger: %w", err))
	}
	defer file.Close() // only read
	book, err := ledger.Read(file)
	if err != nil {
		return nil, command.Usage(fmt.Errorf("--ledger=%s: %w", cmd.Ledger, err))
	}
	return book, nil
}

func (cmd *verifyCmd) printComparison(c *console, found verify.Comparison) error {
	if cmd.Quiet && found.OK() {
		return nil
	}
	for _, sentence := range found.Sentences() {
		fmt.Fprintf(c.Out, "ledger: %s\n", sentence)
	}
	if !found.OK() {
		return command.ErrFound
	}
	return nil
}

func (cmd *verifyCmd) print(c *console, report verify.Report) error {
	var made, received, lost, waiting, quarantined, deleted int64
	for _, f := range report.Findings {
		made, received, lost = made+f.Made, received+f.Received, lost+f.Lost
		waiting, quarantined = waiting+f.Waiting(), quarantined+f.Quarantined
		deleted += f.Deleted
		if cmd.Quiet && len(f.Problems) == 0 {
			continue
		}
		verdict := "hashes, visits and counts agree"
		if len(f.Problems) > 0 {
			verdict = "DOES NOT AGREE"
		}
		fmt.Fprintf(c.Out, "%-20s %s  %d of %d records received", f.Source.Key.Kiosk, f.Source.Key.Epoch, f.Received, f.Made)
		for _, n := range []struct {
			n    int64
			what string
		}{{f.Waiting(), "not delivered yet"}, {f.Lost, "declared lost"}, {f.Quarantined, "in quarantine"}, {f.Deleted, "deleted after their period"}} {
			if n.n > 0 {
				fmt.Fprintf(c.Out, ", %d %s", n.n, n.what)
			}
		}
		fmt.Fprintf(c.Out, "; %s\n", verdict)
		for _, why := range slices.Sorted(maps.Keys(f.Bad)) {
			fmt.Fprintf(c.Out, "    in quarantine: %d × %s\n", f.Bad[why], why)
		}
		for _, p := range f.Problems {
			fmt.Fprintf(c.Out, "    %s\n", p)
		}
	}
	for _, p := range report.Problems {
		fmt.Fprintln(c.Out, p)
	}
	if !report.OK() {
		fmt.Fprintln(c.Out, "verify: something does not agree; keep this store and report it")
		return command.ErrFound
	}
	if !cmd.Quiet {
		rollups := "roll-ups equal a recount"
		if deleted > 0 {
			rollups = fmt.Sprintf("%d deleted after their period; roll-ups equal what these counted and a recount", deleted)
		}
		if cmd.Kiosk != "" {
			rollups = "roll-ups not compared, for this is one kiosk"
		}
		fmt.Fprintf(c.Out, "verify: %d of %d records received, %d not delivered yet, %d declared lost, %d in quarantine; %s\n",
			received, made, waiting, lost, quarantined, rollups)
	}
	return nil
}

// progress returns a function that shows a count on the terminal, or nil where
// nobody watches.
func progress(to io.Writer, what string) func(int64) {
	f, ok := to.(*os.File)
	if !ok {
		return nil
	}
	if st, err := f.Stat(); err != nil || st.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	var n int64
	return func(more int64) {
		if n += more; n%10_000 == 0 {
			fmt.Fprintf(f, "\r%d %s ", n, what)
		}
	}
}
