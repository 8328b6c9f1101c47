package gpio

import "sync"

// Output is a lamp or a buzzer on a GPIO line. Its line is opened by the first
// Set; one that fails is closed, and the next Set opens it again.
type Output struct {
	line   Line
	wiring Wiring

	mu  sync.Mutex // guards what follows
	req *request
}

// NewOutput returns an output. It opens nothing.
func NewOutput(l Line, activeLow bool) *Output {
	return &Output{line: l, wiring: Wiring{ActiveHigh: !activeLow, NoPull: true}}
}

// Close switches the output off and gives its line up.
func (o *Output) Close() error {
	err := o.Set(false)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop()
	return err
}

// drop closes the line. o.mu is held.
func (o *Output) drop() {
	if o.req != nil {
		o.req.close()
		o.req = nil
	}
}
