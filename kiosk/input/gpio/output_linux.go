package gpio

import (
	"fmt"

	"github.com/warthog618/go-gpiocdev/uapi"
)

// Set switches the output on or off. A line that is opened is off at first.
func (o *Output) Set(on bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.req != nil {
		if o.req.set(on) == nil {
			return nil
		}
		o.drop() // its chip has vanished, and may be there again
	}
	r, err := open(o.line, uapi.LineFlagV2Output, o.wiring)
	if err != nil {
		return fmt.Errorf("gpio: output %s: %w", o.line, err)
	}
	o.req = r
	if err := r.set(on); err != nil {
		o.drop()
		return fmt.Errorf("gpio: output %s: %w: %w", o.line, ErrGone, err)
	}
	return nil
}
