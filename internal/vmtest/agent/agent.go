// Package agent is what the host and the machine of internal/vmtest say to each
// other: lines of JSON, one answer for each request.
//
// It stands beside the line, in tests only: internal/vmtest asks, and its guest, the
// first process of the machine, answers. Nothing is kept and a crash of the machine
// ends the conversation. The package must not know kiosks, nor what a test wants.
package agent

// Param is the kernel's parameter that says where the machine finds the host:
// Param=address:port.
const Param = "sourire.agent"

// What the machine can do.
const (
	Run     = "run"    // Args with Text as its input, until it ends
	Start   = "start"  // Args as Name, which writes to the console
	Signal  = "signal" // Name, and wait for its end
	Write   = "write"  // Text to Path
	Read    = "read"
	Mount   = "mount" // the device Name on Path, with the options Text
	Unmount = "unmount"
	Clock   = "clock" // the wall clock becomes Number, Unix milliseconds
	Off     = "off"
)

// Request asks for one of these.
type Request struct {
	Do     string
	Args   []string `json:",omitempty"`
	Name   string   `json:",omitempty"`
	Path   string   `json:",omitempty"`
	Text   string   `json:",omitempty"`
	Number int64    `json:",omitempty"`
}

// Answer is what became of it.
type Answer struct {
	Out  string `json:",omitempty"`
	Code int    `json:",omitempty"` // exit status
	Err  string `json:",omitempty"`
}
