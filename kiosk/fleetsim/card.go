package fleetsim

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"sourire/internal/feedback"
	"sourire/internal/sqlite"
	"sourire/kiosk/app"
	"sourire/kiosk/settings"
	"sourire/kiosk/uplink"
)

// cardsFolder lies among the kiosks' folders and holds copies of some.
const cardsFolder = ".cards"

// card is a copy of a kiosk's folder.
type card struct {
	folder string
	last   map[feedback.Epoch]feedback.Seq // records in it
}

// lastOf returns the last record of each epoch.
func lastOf(j uplink.Journal) map[feedback.Epoch]feedback.Seq {
	last := map[feedback.Epoch]feedback.Seq{}
	for _, e := range j.Epochs() {
		last[e.ID] = e.Next - 1
	}
	return last
}

// tear copies a folder as a power cut leaves it: file by file, with a journal that
// nobody closed. It is taken between two commits, by holding SQLite's write lock,
// for the files must belong together as they do on a card; a checkpoint may be
// under way, and the log holds what it was writing.
//
// What a disk forgets that lied about flushing is not played here: what SQLite
// has not forced to the disk is in the copy all the same, because the operating
// system has it. Real disks are cut in virtual machines.
//
// All files are opened before the first is closed, because closing one drops this
// process's locks on it (fcntl(2)); so this is for a core that is not to write
// any more.
func tear(ctx context.Context, from, to string) error {
	return fresh(to, func() error {
		db, err := sqlite.Open(filepath.Join(from, app.JournalFile), sqlite.Options{MustExist: true, Readers: 1})
		if err != nil {
			return err
		}
		err = db.Update(ctx, func(*sql.Tx) error {
			journal := filepath.Join(from, app.JournalFile)
			return copyFiles(to, journal, journal+"-wal", filepath.Join(from, settings.PlanFile))
		})
		return errors.Join(err, db.Close())
	})
}

// image copies the folder of a kiosk at work.
func image(ctx context.Context, from, to string) error {
	return fresh(to, func() error {
		db, err := sqlite.Open(filepath.Join(from, app.JournalFile), sqlite.Options{MustExist: true, Readers: 1})
		if err != nil {
			return err
		}
		err = db.BackupTo(ctx, filepath.Join(to, app.JournalFile))
		return errors.Join(err, db.Close(), copyFiles(to, filepath.Join(from, settings.PlanFile)))
	})
}

// fresh fills an empty folder.
func fresh(folder string, fill func() error) error {
	err := os.RemoveAll(folder)
	if err == nil {
		err = os.MkdirAll(folder, 0o700)
	}
	if err == nil {
		err = fill()
	}
	if err != nil {
		return fmt.Errorf("fleet: copy a card to %s: %w", folder, err)
	}
	return nil
}

// copyFiles copies the files that exist into a folder.
func copyFiles(to string, names ...string) (err error) {
	for _, name := range names {
		from, openErr := os.Open(name)
		if errors.Is(openErr, fs.ErrNotExist) {
			continue
		}
		if openErr != nil {
			return openErr
		}
		defer from.Close() // only read, and not before the last was
		file, createErr := os.OpenFile(filepath.Join(to, filepath.Base(name)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if createErr != nil {
			return createErr
		}
		_, err = io.Copy(file, from)
		if err = errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	return nil
}

// insert puts a card into the place of a kiosk's folder, in which nobody is.
func insert(c card, folder string) error {
	err := os.RemoveAll(folder)
	if err == nil {
		err = os.Rename(c.folder, folder)
	}
	if err != nil {
		return fmt.Errorf("fleet: insert a card: %w", err)
	}
	return nil
}
