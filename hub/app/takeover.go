package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"sourire/hub/store/sqlstore"
	"sourire/internal/durable"
)

// lastTermName is the file in the data folder that tells under which id and term
// of the store this hub spoke last:
//
//	store 82efeb283f8b7bc8 term 12
//
// Kiosks ask where the hub is when they hear another store or a higher term. A
// database that was put back from an older copy has the old id, and may count
// its terms up again to one that they have heard: then nobody would ask, and
// what the copy lacks would stay away. The file, which does not go back with the
// database, is what shows it.
//
// It does when the whole folder went back, as with a snapshot of a machine: the
// hub cannot see that.
//
// With a database on PostgreSQL the file is not what shows it, for it knows of its
// own folder only, and of several hubs on one database another may have spoken
// last: under terms between, or after it drew a new id. There the term rises with
// the clock of the server (sqlstore.Lease.TakeOver), so that an older copy goes on
// above all terms that anybody spoke, and its kiosks ask because the term is
// higher. The file then says two things only: that this folder has served a
// database, so that an empty one is refused; and, should the server's clock have
// gone back by more than the copy is old, what this hub spoke under itself.
const lastTermName = "last-term"

// termStore is what a take-over needs of a store.
type termStore interface {
	ID(context.Context) (string, error)
	TakeOver(context.Context) (int64, error)
	Redraw(context.Context) error
}

// takeOver takes over the store and returns the id and the term to speak under.
// It keeps the promise by which kiosks notice everything: what it returns is
// either under an id never spoken before, or under a term above all those that
// the file at path vouches for, which are all that were spoken.
//
// The file is written after the commits and before the first word. A crash
// between leaves a term that nobody has heard, and a file that is still true; a
// second id drawn in vain costs nothing. When it cannot be written, the hub does
// not start: it would speak under a term that the file does not know. A file
// that is missing or cannot be read vouches for nothing.
func takeOver(ctx context.Context, store termStore, path string, verify func(path, id string, term int64) string, log *slog.Logger) (id string, term int64, err error) {
	if term, err = store.TakeOver(ctx); err != nil {
		return "", 0, fmt.Errorf("take over the store: %w", err)
	}
	if id, err = store.ID(ctx); err != nil {
		return "", 0, fmt.Errorf("store id: %w", err)
	}
	if why := verify(path, id, term); why != "" {
		if err = store.Redraw(ctx); err != nil {
			return "", 0, fmt.Errorf("draw a new store id: %w", err)
		}
		if id, err = store.ID(ctx); err != nil {
			return "", 0, fmt.Errorf("store id: %w", err)
		}
		log.Warn("the database may be an older copy that was put back, so it gets a new id: all kiosks ask what it has and send again what it lacks", "why", why)
	}
	return id, term, durable.WriteFile(path, lastTerm(id, term), 0o600)
}

// lastTerm is the content of the file.
func lastTerm(id string, term int64) []byte { return fmt.Appendf(nil, "store %s term %d\n", id, term) }

// doubtAmongSeveral is doubt where other hubs may have taken over in between: no
// file, a term far above and another id are as it should be. To draw a new id for
// the last, each hub would draw one at each election.
func doubtAmongSeveral(path, id string, term int64) string {
	text, err := os.ReadFile(path)
	var lastID string
	var last int64
	if err == nil {
		_, err = fmt.Sscanf(string(text), "store %s term %d\n", &lastID, &last)
	}
	if err == nil && lastID == id && term <= last {
		return fmt.Sprintf("its term has been %d, and that of this hub was %d already", term-1, last)
	}
	return ""
}

// elected is a store whose term rises as that of a lease.
type elected struct {
	*sqlstore.Store
	lease *sqlstore.Lease
}

// TakeOver implements termStore.
func (e elected) TakeOver(ctx context.Context) (int64, error) { return e.lease.TakeOver(ctx) }

// doubt says why the store, which has just been taken over under term, may be
// older than what this hub spoke for last; "" when the file vouches for it.
func doubt(path, id string, term int64) string {
	const first = 1
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && term == first {
		return "" // a new hub: nobody has heard of this store
	}
	var lastID string
	var last int64
	if err == nil {
		_, err = fmt.Sscanf(string(text), "store %s term %d\n", &lastID, &last)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("there is no file %s, as when the database came alone into a new folder, or was last served by an older version", path)
	case err != nil:
		return fmt.Sprintf("the file %s cannot be read: %v", path, err)
	case lastID != id:
		return fmt.Sprintf("it is store %s, and the hub of this folder last was store %s", id, lastID)
	case term <= last:
		return fmt.Sprintf("its term has been %d, and that of this hub was %d already", term-1, last)
	}
	return ""
}
