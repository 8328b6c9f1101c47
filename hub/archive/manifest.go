package archive

import "time"

// Format and Version name the layout that this package writes.
const (
	Format  = "sourire-export"
	Version = 1
)

// The files of an export.
const (
	fileManifest = "manifest.json"
	fileReadme   = "README.txt"
	fileSources  = "sources.jsonl"
	fileRecords  = "records.jsonl"
	fileComments = "comments.jsonl"
	fileGaps     = "gaps.jsonl"
	fileSites    = "sites.jsonl"
	fileKiosks   = "kiosks.jsonl"
	fileRefusals = "refusals.jsonl"
	fileVisits   = "visits.csv"
	fileRollups  = "rollups.csv"
)

// Manifest says what an export holds.
type Manifest struct {
	Format     string    `json:"format"`
	Version    int       `json:"version"`
	Program    string    `json:"program"`
	Store      string    `json:"store"` // the id of the store
	ExportedAt time.Time `json:"exported_at"`
	Zone       string    `json:"zone"`       // of sites that have none of their own
	VisitRule  int       `json:"visit_rule"` // by which the visits were derived
	// CompleteFrom is the day from which on all records that were stored are here,
	// "" where none was deleted; before it some were, after their period.
	CompleteFrom string `json:"complete_from,omitempty"`
	Counts       Counts `json:"counts"`
	// Problems are what the records do not prove; empty when all agrees.
	Problems []string `json:"problems"`
	Files    []File   `json:"files"`
}

// Counts tell how much an export holds.
type Counts struct {
	Journals    int64 `json:"journals"`
	Records     int64 `json:"records"` // those in quarantine among them
	Quarantined int64 `json:"quarantined"`
	Lost        int64 `json:"lost"`    // records that are declared lost
	Deleted     int64 `json:"deleted"` // records that were deleted after their period, losses among them not counted
	Presses     int64 `json:"presses"`
	Visits      int64 `json:"visits"`
	Counted     int64 `json:"counted"` // visits that enter the scores
	Comments    int64 `json:"comments"`
	Rollups     int64 `json:"rollups"`
}

// File is a file of an export.
type File struct {
	Name   string `json:"name"`
	Rows   int64  `json:"rows"` // lines without the head of a table
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// readme is for whoever opens the folder without knowing Sourire.
const readme = `This folder is an export of a Sourire hub: everything that its store held at one
moment. "sourire-hub import FOLDER" takes it into a hub again.

For people, in UTF-8, one line of titles with units, cells separated by commas.
A cell that a spreadsheet would take for a formula has an apostrophe before it.

  visits.csv      one line for each visit (one visitor's turn), set aside or not
  rollups.csv     the same summed up in quarters of an hour

For programs, one JSON value in each line:

  sources.jsonl   journals (one epoch of one kiosk), with the number and the
                  running hash of the last record that is stored
  records.jsonl   their records. "record" is verbatim: the running hash after it is
                  SHA-256(hash before + its bytes), the first 16 bytes; before
                  record 1 it is zero. "hash" stands at some, to check against.
                  "bad": why it is in quarantine. "lost_from": the records from
                  there up to seq are declared lost, "hash" is what stands after
                  them; with "why":"deleted" they were received
                  and deleted after their period. "bytes" (base64) stands instead of "record" where that is
                  no line of JSON. "day": the day of storing (UTC).
  comments.jsonl  texts; their records hold SHA-256(salt + text) only
  gaps.jsonl      declared losses
  sites.jsonl     names and time zones
  kiosks.jsonl    what kiosks last said of themselves
  refusals.jsonl  how often something was refused of a kiosk
  manifest.json   versions, counts, and the SHA-256 of each file
`
