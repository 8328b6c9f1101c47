package history

import (
	"time"

	"sourire/internal/feedback"
)

// Span is what a store holds of an earlier import of a source.
type Span struct {
	Epoch       feedback.Epoch
	First, Last time.Time
	Visits      int64
}
