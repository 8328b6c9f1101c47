package gpio

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"

	"sourire/kiosk/clock"
	"sourire/kiosk/input"
)

// Run implements input.Source: it tells presses until ctx is done. Only a machine
// that cannot poll at all is an error; a line that cannot be opened is tried again.
func (b *Buttons) Run(ctx context.Context, emit func(input.Signal)) error {
	wake, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("gpio: %w", err)
	}
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		_, _ = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	})
	r := &runner{Buttons: b, panel: newPanel(len(b.o.Lines)), lines: make([]*request, len(b.o.Lines)), retryAt: make([]time.Duration, len(b.o.Lines))}
	defer func() {
		for _, l := range r.lines {
			if l != nil {
				l.close()
			}
		}
		if !stop() {
			<-woken
		}
		_ = unix.Close(wake)
	}()
	for ctx.Err() == nil {
		now, _ := clock.SinceBoot()
		r.openAll(now)
		if err := r.wait(wake, now); err != nil {
			return err
		}
		now, ahead := clock.SinceBoot()
		r.hear(now, ahead)
		for _, s := range r.panel.take(now) {
			emit(s)
		}
		r.note(r.panel)
	}
	return nil
}

// runner is a Run at work.
type runner struct {
	*Buttons
	panel   *panel
	lines   []*request      // nil: not open
	retryAt []time.Duration // of those
	lookAt  time.Duration   // when to see whether the others are still there
}

// lookEvery is how often lines that say nothing are looked at: on some kernels a
// chip that vanishes does not wake those who poll.
const lookEvery = time.Second

// openAll opens the lines whose time has come.
func (r *runner) openAll(now time.Duration) {
	for i, l := range r.lines {
		if l != nil || now < r.retryAt[i] {
			continue
		}
		l, down, err := openButton(r.o.Lines[i], r.o.Wiring)
		r.say(i, err)
		if err != nil {
			r.retryAt[i] = now + r.o.Retry
			continue
		}
		r.lines[i] = l
		r.panel.open(i, down, now)
	}
}

// openButton opens a line and looks at it. An edge between the two is told by an
// event, which then changes nothing.
func openButton(l Line, w Wiring) (*request, bool, error) {
	r, err := open(l, uapi.LineFlagV2Input|uapi.LineFlagV2EdgeBoth, w)
	if err != nil {
		return nil, false, err
	}
	down, err := r.value()
	if err != nil {
		r.close()
		return nil, false, err
	}
	return r, down, nil
}

// wait returns when a line has something to tell, when something is due, or when
// the runner is woken.
func (r *runner) wait(wake int, now time.Duration) error {
	fds := []unix.PollFd{{Fd: int32(wake), Events: unix.POLLIN}}
	until := r.panel.next()
	if now >= r.lookAt {
		r.lookAt = now + lookEvery
	}
	if until == 0 || r.lookAt < until {
		until = r.lookAt
	}
	for i, l := range r.lines {
		if l != nil {
			fds = append(fds, unix.PollFd{Fd: int32(l.fd), Events: unix.POLLIN})
		} else {
			until = min(until, r.retryAt[i])
		}
	}
	// Rounded up, or it would spin through the last millisecond.
	timeout := int(max(0, until-now+time.Millisecond-1) / time.Millisecond)
	_, err := unix.Poll(fds, timeout)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("gpio: poll: %w", err)
	}
	return nil
}

// change is an edge of a line, or what is known of it after some were lost.
type change struct {
	button int
	down   bool
	at     time.Duration
	lost   int64
}

// hear takes all edges that wait, of all lines, in the order of their time.
func (r *runner) hear(now, ahead time.Duration) {
	var all []change
	for i, l := range r.lines {
		if l == nil {
			continue
		}
		changes, err := l.read(i, now, ahead)
		if err == nil && now >= r.lookAt {
			_, err = l.value()
		}
		all = append(all, changes...)
		if err != nil {
			l.close()
			r.lines[i], r.retryAt[i] = nil, now // at once, then every Retry
			r.say(i, err)
			all = append(all, change{button: i, at: now, lost: -1})
		}
	}
	slices.SortStableFunc(all, func(a, b change) int { return int(a.at - b.at) })
	for _, c := range all {
		switch {
		case c.lost < 0:
			r.panel.close(c.button, c.at)
		case c.lost > 0:
			r.panel.lost(c.button, c.lost, c.down, c.at)
		default:
			r.panel.edge(c.button, c.down, c.at)
		}
	}
}

// read takes the events of a line. A read that fails for another reason than that
// there is none says that the line is lost.
func (l *request) read(button int, now, ahead time.Duration) ([]change, error) {
	var out []change
	var lost int64
	var buf [16 * int(unsafe.Sizeof(uapi.LineEvent{}))]byte
	for {
		n, err := unix.Read(l.fd, buf[:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			if lost == 0 {
				return out, nil
			}
			down, err := l.value()
			return append(out, change{button: button, down: down, at: now, lost: lost}), err
		case err != nil:
			return out, fmt.Errorf("%w: %w", ErrGone, err)
		case n == 0:
			return out, ErrGone
		}
		var events [16]uapi.LineEvent
		size := int(unsafe.Sizeof(events[0]))
		if _, err := binary.Decode(buf[:n], binary.NativeEndian, events[:n/size]); err != nil {
			return out, err
		}
		for _, e := range events[:n/size] {
			lost += int64(e.LineSeqno - l.next) // uint32 arithmetic wraps as the kernel's does
			l.next = e.LineSeqno + 1
			at := min(now, time.Duration(e.Timestamp)+ahead)
			out = append(out, change{button: button, down: e.ID == uapi.LineEventRisingEdge, at: at})
		}
	}
}
