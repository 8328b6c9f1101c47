package wire

import (
	"encoding/json"
	"math"

	"sourire/internal/feedback"
)

// State is a kiosk's birth on …/state, retained; with Online false and the same
// Session it is also the will that the broker publishes when the link is lost.
type State struct {
	V       int             `json:"v"`
	Session int64           `json:"session"` // rises with each connection of this kiosk
	Online  bool            `json:"online"`
	Version string          `json:"version"`
	Boot    feedback.Boot   `json:"boot"`
	Epoch   feedback.Epoch  `json:"epoch"`
	Oldest  feedback.Seq    `json:"oldest"`
	Next    feedback.Seq    `json:"next"`
	Plan    feedback.PlanID `json:"plan"`
	At      int64           `json:"at,omitempty"` // kiosk time, Unix ms, 0 while its clock is not trusted
}

// Health is how a kiosk is, every minute on …/health.
type Health struct {
	V       int            `json:"v"`
	Session int64          `json:"session"`
	Epoch   feedback.Epoch `json:"epoch"`
	Next    feedback.Seq   `json:"next"`
	Queue   int64          `json:"queue"` // records not yet acknowledged
	At      int64          `json:"at,omitempty"`
	// Presses not yet acknowledged, and all since the journal began.
	QueuedPresses int64   `json:"queued_presses"`
	Presses       int64   `json:"presses"`
	DiskFree      int64   `json:"disk_free"`     // bytes
	DaysLeft      float64 `json:"days_left"`     // of capacity at this kiosk's own pace, 0 … 1,000,000
	WriteMicros   int64   `json:"write_us"`      // slowest durable append of the last minute
	ClockTrusted  bool    `json:"clock_trusted"` // the system holds its clock to be synchronised
	MemoryBytes   int64   `json:"memory"`
	// What the box tells of itself; absent where it does not.
	UpSeconds   int64 `json:"up_s,omitempty"`         // since its boot
	Celsius     int64 `json:"celsius,omitempty"`      // of the processor
	Throttled   int64 `json:"throttled,omitempty"`    // a Pi's bits: 0 too little voltage, 1 capped, 2 throttled, 3 hot; the same + 16 since boot
	MemoryFree  int64 `json:"memory_free,omitempty"`  // bytes, of the machine
	DiskWritten int64 `json:"disk_written,omitempty"` // bytes to the disk of the data, since its boot
	LinkDBm     int64 `json:"link_dbm,omitempty"`     // of the wireless link, below 0
	// Buttons are those of a kiosk on GPIO lines, worst face first. How often each
	// was pressed is not among it: nobody shall read votes from a health.
	Buttons []Button `json:"buttons,omitempty"`
}

// Button is how a button is, and what happened to it since the program began.
type Button struct {
	Heard    bool  `json:"heard"`            // its line is open
	TooShort int64 `json:"short,omitempty"`  // down for less than 20 ms: phantoms, or a loose wire
	Stuck    int64 `json:"stuck,omitempty"`  // times that it was down for 10 s
	Lost     int64 `json:"lost,omitempty"`   // edges that the kernel dropped
	Losses   int64 `json:"losses,omitempty"` // times that its chip vanished
}

// maxDays stands for a capacity that never ends: that of a kiosk without presses.
const maxDays = 1e6

// MarshalJSON writes the health. JSON has no infinity and no NaN, and a kiosk
// without presses yet has that many days left: they are cut to 0 … 1,000,000.
func (h Health) MarshalJSON() ([]byte, error) {
	type plain Health
	switch {
	case h.DaysLeft > maxDays:
		h.DaysLeft = maxDays
	case h.DaysLeft < 0 || math.IsNaN(h.DaysLeft):
		h.DaysLeft = 0
	}
	return json.Marshal(plain(h))
}

// Hub is the hub's own state on HubState, retained, and its will. A kiosk that
// sees another store or a higher term announces itself; a lower term of the
// same store is ignored.
type Hub struct {
	V      int    `json:"v"`
	Online bool   `json:"online"`
	Store  string `json:"store"`
	Term   int64  `json:"term"`
	Since  int64  `json:"since"` // Unix milliseconds
}
