package sqlstore

import (
	"context"
	"errors"
	"sync"

	"sourire/hub/ingest"
	"sourire/internal/feedback"
)

// hubs is what several hubs on one database do with each other.
type hubs interface {
	// elect waits until this hub is the one that ingests. It calls waits each
	// time that it finds another in its place, with that one's name.
	elect(ctx context.Context, name string, waits func(holder string)) (*Lease, error)
	// takeOver raises the term in tx, above all that were ever spoken under.
	takeOver(ctx context.Context, tx *tx) (int64, error)
	// tell sends, with the commit of tx, news of these sites.
	tell(ctx context.Context, tx *tx, sites []feedback.SiteID) error
	// told is called when that is committed.
	told(sites []feedback.SiteID)
	// follow hears news until ctx is done or the connection is lost.
	follow(ctx context.Context, changed func([]feedback.SiteID)) error
}

// ErrLeaseLost says that a hub can no longer know that it is the one that ingests.
var ErrLeaseLost = errors.New("the hub may no longer be the one that ingests")

// Lease says that this hub is the one that ingests. It elects and protects
// nothing: another may have been elected before this one notices, and then the
// term refuses what is written under the older one.
type Lease struct {
	s       *Store
	hold    func(context.Context) error
	release func()
}

// Elect waits until this hub is the one that ingests and returns its lease, to be
// held at once. name is what others see of it; waits, unless nil, is called again
// and again while another, or nobody known (""), holds the place.
//
// On SQLite the answer is always yes, for the data folder has one owner.
func (s *Store) Elect(ctx context.Context, name string, waits func(holder string)) (*Lease, error) {
	if waits == nil {
		waits = func(string) {}
	}
	l, err := s.d.elect(ctx, name, waits)
	if err != nil {
		return nil, err
	}
	l.s = s
	return l, nil
}

// Hold keeps the lease until ctx is done, or until it is lost: then the error is
// ErrLeaseLost. To be called at most once, by one goroutine.
func (l *Lease) Hold(ctx context.Context) error { return l.hold(ctx) }

// Release lets the next one in. Hold must have returned.
func (l *Lease) Release() { l.release() }

// TakeOver raises the term as Store.TakeOver does. On PostgreSQL it also rises
// above the seconds of the server's clock, so that a database that was put back
// from an older copy goes on under terms that no kiosk has heard, whichever of
// several hubs spoke last.
func (l *Lease) TakeOver(ctx context.Context) (n int64, err error) {
	return l.s.raise(ctx, func(tx *tx) (int64, error) { return l.s.d.takeOver(ctx, tx) })
}

// Follow calls changed with the sites of each commit that changes what they count,
// whichever hub or program made it, until ctx is done; without sites, any may have changed. It returns an error
// when the connection by which it hears is lost: whoever follows again is told
// first that anything may have changed.
func (s *Store) Follow(ctx context.Context, changed func([]feedback.SiteID)) error {
	return s.d.follow(ctx, changed)
}

// maxNews is how many sites news name; beyond them they are about any. With ids
// of 40 bytes they stay far below the 8,000 bytes of a NOTIFY.
const maxNews = 64

// sitesOf returns the sites that the changes which were made touch, and whether
// there are any; none but true means that there are too many.
func sitesOf(changes []ingest.Change, errs []error) (sites []feedback.SiteID, touched bool) {
	seen := make(map[feedback.SiteID]bool)
	for i := range changes {
		if errs[i] != nil {
			continue
		}
		for _, s := range changes[i].Sites() {
			if !seen[s] {
				seen[s] = true
				sites = append(sites, s)
			}
		}
	}
	return newsOf(sites), len(sites) > 0
}

// newsOf returns the sites as news name them.
func newsOf(sites []feedback.SiteID) []feedback.SiteID {
	if len(sites) > maxNews {
		return nil
	}
	return sites
}

// alone is hubs where there is one.
type alone struct {
	mu        sync.Mutex
	last      int
	followers map[int]func([]feedback.SiteID)
}

func (h *alone) elect(context.Context, string, func(string)) (*Lease, error) {
	hold := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	return &Lease{hold: hold, release: func() {}}, nil
}

func (h *alone) takeOver(ctx context.Context, tx *tx) (n int64, err error) {
	err = tx.QueryRowContext(ctx, nextTerm).Scan(&n)
	return n, err
}

func (h *alone) tell(context.Context, *tx, []feedback.SiteID) error { return nil }

func (h *alone) told(sites []feedback.SiteID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, changed := range h.followers {
		changed(sites)
	}
}

func (h *alone) follow(ctx context.Context, changed func([]feedback.SiteID)) error {
	h.mu.Lock()
	if h.followers == nil {
		h.followers = make(map[int]func([]feedback.SiteID))
	}
	h.last++
	me := h.last
	h.followers[me] = changed
	h.mu.Unlock()
	<-ctx.Done()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.followers, me)
	return ctx.Err()
}
