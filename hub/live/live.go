// Package live carries the news that something was committed to whoever shows
// pages.
//
// It stands beside the line, behind hub/ingest: after a commit its owner calls
// [Board.Publish], and every open page hears of it. News say which sites to look
// at again, never what is new there: readers ask hub/insight.
//
// Nothing survives a crash and nothing needs to, for a page that opens anew
// reads everything. Publishing never blocks: news for a reader who has not yet
// taken the last are merged into those, so that a slow one misses a moment but
// never the state. The package must not know stores or HTTP.
package live

import (
	"context"
	"slices"
	"sync"
	"time"

	"sourire/internal/feedback"
)

// News says that something changed at these sites; without sites, that it may
// have changed at any.
type News struct {
	Sites []feedback.SiteID
	At    time.Time // of the newest commit
}

// Of reports whether the news may be about a site.
func (n News) Of(id feedback.SiteID) bool {
	return len(n.Sites) == 0 || slices.Contains(n.Sites, id)
}

// maxSites bounds merged news: beyond it they are about any site.
const maxSites = 64

func (n News) merged(m News) News {
	if m.At.After(n.At) {
		n.At = m.At
	}
	if len(n.Sites) == 0 || len(m.Sites) == 0 {
		n.Sites = nil
		return n
	}
	all := slices.Clone(n.Sites)
	for _, id := range m.Sites {
		if !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	if len(all) > maxSites {
		all = nil
	}
	n.Sites = all
	return n
}

// DefaultReaders is how many readers a Board takes unless told otherwise.
const DefaultReaders = 1000

// Board passes news on to its readers. Its methods may be called from several
// goroutines.
type Board struct {
	mu      sync.Mutex
	max     int
	closed  bool
	readers map[*reader]struct{}
}

// reader is one subscription; its channel holds at most one piece of news and
// is sent to and closed under Board.mu only.
type reader struct{ news chan News }

// New returns a board for at most that many readers, DefaultReaders when 0.
func New(readers int) *Board {
	if readers == 0 {
		readers = DefaultReaders
	}
	return &Board{max: readers, readers: make(map[*reader]struct{})}
}

// Publish tells every reader. It never blocks.
func (b *Board) Publish(n News) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for r := range b.readers {
		pending := n
		select {
		case old := <-r.news:
			pending = old.merged(n)
		default:
		}
		r.news <- pending // there is room: only this function sends
	}
}

// Subscribe returns a channel of news that closes when ctx is done or the board
// closes. It reports false when the board is closed or has all the readers that
// it takes.
func (b *Board) Subscribe(ctx context.Context) (<-chan News, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(b.readers) >= b.max {
		return nil, false
	}
	r := &reader{news: make(chan News, 1)}
	b.readers[r] = struct{}{}
	context.AfterFunc(ctx, func() { b.drop(r) })
	return r.news, true
}

func (b *Board) drop(r *reader) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.readers[r]; ok {
		delete(b.readers, r)
		close(r.news)
	}
}

// Readers returns the number of subscriptions.
func (b *Board) Readers() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.readers)
}

// Close ends every subscription; later ones are refused.
func (b *Board) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for r := range b.readers {
		delete(b.readers, r)
		close(r.news)
	}
}
