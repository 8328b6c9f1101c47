package history

import (
	"context"
	"time"

	"sourire/hub/ingest"
	"sourire/hub/insight"
	"sourire/hub/site"
	"sourire/internal/feedback"
)

// Store is what an import asks of a store, and where it names places.
type Store interface {
	Marks(ctx context.Context, keys []ingest.Key) ([]ingest.Mark, error)
	// Spans returns, of each journal of a source, from when to when its dated
	// visits are.
	Spans(ctx context.Context, kiosk feedback.KioskID) ([]Span, error)
	Sites(ctx context.Context) ([]insight.Place, error)
	PutSites(ctx context.Context, sites []site.Site) error
}

// Span is what a store holds of an earlier import of a source.
type Span struct {
	Epoch       feedback.Epoch
	First, Last time.Time
	Visits      int64
}
