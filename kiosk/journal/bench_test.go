package journal_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/sqlite"
)

// BenchmarkJournal_Append prints how long a press takes until it is on disk, in
// bare durable commits of one row on the same disk, measured in turns.
func BenchmarkJournal_Append(b *testing.B) {
	j := open(b, options(b.TempDir(), newClock()))
	defer closeIt(b, j)
	db, err := sqlite.Open(filepath.Join(b.TempDir(), "bare.db"), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Write.Exec("CREATE TABLE t (n INTEGER PRIMARY KEY, body BLOB)"); err != nil {
		b.Fatal(err)
	}
	var bare, ours []time.Duration
	for b.Loop() {
		began := time.Now()
		if _, err := db.Write.Exec("INSERT INTO t (body) VALUES ('[\"press\",1,60000,2,80]')"); err != nil {
			b.Fatal(err)
		}
		between := time.Now()
		if _, err := j.Append(b.Context(), feedback.Press{Rating: 2, Held: 80}); err != nil {
			b.Fatal(err)
		}
		bare, ours = append(bare, between.Sub(began)), append(ours, time.Since(between))
	}
	slices.Sort(bare)
	slices.Sort(ours)
	commit := float64(bare[len(bare)/2])
	b.ReportMetric(commit/1000, "µs/bare-commit")
	b.ReportMetric(float64(ours[len(ours)/2])/commit, "median/commit")
	b.ReportMetric(float64(ours[len(ours)*99/100])/commit, "p99/commit")
}
