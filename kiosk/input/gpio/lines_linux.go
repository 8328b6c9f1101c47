package gpio

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/warthog618/go-gpiocdev/uapi"
)

// consumer is what other programs see of who holds a line.
const consumer = "sourire-kiosk"

// Chips lists the chips and their lines. A chip that cannot be read is left out;
// the error says which and what to do, beside those that can be read.
func Chips() ([]Chip, error) {
	paths, err := filepath.Glob("/dev/gpiochip*")
	if err != nil {
		return nil, err
	}
	slices.SortFunc(paths, func(a, b string) int { // gpiochip10 after gpiochip9
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	var chips []Chip
	var errs []error
	seen := make(map[string]bool)
	for _, path := range paths {
		if device, err := filepath.EvalSymlinks(path); err == nil { // a Pi has an alias
			if seen[device] {
				continue
			}
			seen[device] = true
		}
		c, err := readChip(path)
		switch {
		case errors.Is(err, os.ErrPermission):
			errs = append(errs, fmt.Errorf("gpio: %s may not be opened: put the user of this program into the group gpio: %w", path, err))
		case err != nil:
			errs = append(errs, fmt.Errorf("gpio: %s: %w", path, err))
		default:
			chips = append(chips, c)
		}
	}
	return chips, errors.Join(errs...)
}

func readChip(path string) (Chip, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return Chip{}, err
	}
	defer f.Close() // nothing was written
	info, err := uapi.GetChipInfo(f.Fd())
	if err != nil {
		return Chip{}, err
	}
	c := Chip{Path: path, Name: uapi.BytesToString(info.Name[:]), Label: uapi.BytesToString(info.Label[:])}
	for offset := range info.Lines {
		line, err := uapi.GetLineInfoV2(f.Fd(), int(offset))
		if err != nil {
			return Chip{}, fmt.Errorf("line %d: %w", offset, err)
		}
		i := Info{
			Offset: offset, Name: uapi.BytesToString(line.Name[:]), Output: line.Flags&uapi.LineFlagV2Output != 0,
			ActiveLow: line.Flags.IsActiveLow(), PullUp: line.Flags.IsBiasPullUp(), PullDown: line.Flags.IsBiasPullDown(),
		}
		if line.Flags.IsUsed() {
			i.UsedBy = uapi.BytesToString(line.Consumer[:])
			if i.UsedBy == "" {
				i.UsedBy = "the kernel"
			}
		}
		c.Lines = append(c.Lines, i)
	}
	return c, nil
}

// find returns the chip and the number of a line.
func find(l Line) (path string, info Info, err error) {
	chips, unreadable := Chips()
	label, offset, numbered := l.split()
	var found []Info
	for _, c := range chips {
		for _, i := range c.Lines {
			if i.Name == string(l) || numbered && c.Label == label && i.Offset == offset {
				path, info = c.Path, i
				found = append(found, i)
			}
		}
	}
	switch {
	case len(found) == 1:
		return path, info, nil
	case len(found) > 1:
		return "", Info{}, fmt.Errorf("%w: write the chip's label and a number instead, as sourire-kiosk pins lists them", ErrTwice)
	case unreadable != nil:
		return "", Info{}, unreadable
	case len(chips) == 0:
		return "", Info{}, fmt.Errorf("%w: this machine has no GPIO chip", ErrNoLine)
	}
	return "", Info{}, fmt.Errorf("%w: sourire-kiosk pins lists those that there are", ErrNoLine)
}

// request holds one line, as an input or an output.
type request struct {
	fd   int
	next uint32 // number of the next event
}

// open takes a line. The flags say what for.
func open(l Line, flags uapi.LineFlagV2, w Wiring) (*request, error) {
	path, info, err := find(l)
	if err != nil {
		return nil, err
	}
	if info.UsedBy != "" {
		return nil, fmt.Errorf("%w: it is used by %q; stop that, or choose another line", ErrTaken, info.UsedBy)
	}
	chip, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer chip.Close() // the line has a descriptor of its own
	req := newRequest(info.Offset, flags, w)
	err = uapi.GetLine(chip.Fd(), &req)
	if isBiasError(err) && !w.NoPull {
		w.NoPull = true
		req = newRequest(info.Offset, flags, w)
		err = uapi.GetLine(chip.Fd(), &req)
	}
	switch {
	case errors.Is(err, syscall.EBUSY):
		return nil, fmt.Errorf("%w: stop it, or choose another line", ErrTaken)
	case err != nil:
		return nil, fmt.Errorf("line %d of %s: %w", info.Offset, path, err)
	}
	fd := int(req.Fd)
	if err := syscall.SetNonblock(fd, true); err != nil {
		_ = syscall.Close(fd)
		return nil, err
	}
	return &request{fd: fd, next: 1}, nil
}

// isBiasError reports whether a chip refused because it cannot pull a line: the
// kernel answers so, or takes the flag and does nothing.
func isBiasError(err error) bool {
	return errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTTY)
}

func newRequest(offset uint32, flags uapi.LineFlagV2, w Wiring) uapi.LineRequest {
	req := uapi.LineRequest{Lines: 1}
	req.Offsets[0] = offset
	copy(req.Consumer[:], consumer)
	if !w.ActiveHigh {
		flags |= uapi.LineFlagV2ActiveLow
	}
	if flags&uapi.LineFlagV2Input != 0 {
		req.EventBufferSize = buffer
		switch {
		case w.NoPull:
		case w.ActiveHigh:
			flags |= uapi.LineFlagV2BiasPullDown
		default:
			flags |= uapi.LineFlagV2BiasPullUp
		}
		if w.Debounce > 0 {
			debounce := uapi.DebouncePeriod(w.Debounce)
			req.Config.AddAttribute(uapi.LineConfigAttribute{Attr: debounce.Encode(), Mask: 1})
		}
	}
	req.Config.Flags = flags
	return req
}

func (r *request) close() { _ = syscall.Close(r.fd) }

// value reports whether the line is active: a button down, a lamp on.
func (r *request) value() (bool, error) {
	v := uapi.LineValues{Mask: 1}
	if err := uapi.GetLineValuesV2(uintptr(r.fd), &v); err != nil {
		return false, err
	}
	return v.Bits&1 != 0, nil
}

// set makes the line active or not.
func (r *request) set(on bool) error {
	v := uapi.LineValues{Mask: 1}
	if on {
		v.Bits = 1
	}
	return uapi.SetLineValuesV2(uintptr(r.fd), v)
}
