package fleetsim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/wire"
	"sourire/kiosk/app"
	"sourire/kiosk/input"
	"sourire/kiosk/input/script"
	"sourire/kiosk/settings"
	"sourire/kiosk/uplink"
)

// box is one kiosk through all of its lives: a core, and when the power is cut or
// another card is put in, the next core on what is on the card.
type box struct {
	fleet    *fleet
	settings settings.Settings
	visitors *script.Visitors
	book     *book
	line     *line
	clock    *bent // nil: the machine's
	core     atomic.Pointer[app.Kiosk]

	lit     chan struct{} // closed when the faces were first lit
	litOnce sync.Once

	mu   sync.RWMutex // held while a signal is handed over
	emit func(input.Signal)

	// These belong to run.
	image   *card // nil: none was taken
	trusted bool  // the hub has confirmed this card since it was put in
}

func newBox(weather context.Context, f *fleet, i int) (*box, error) {
	s := f.o.Settings
	s.Kiosk.ID = fmt.Sprintf("%s-%d", f.o.Prefix, i+1)
	s.Data = filepath.Join(f.o.Folder, s.Kiosk.ID)
	if f.o.Each != nil {
		f.o.Each(i, &s)
	}
	visitors, err := f.visitors(s, i)
	if err != nil {
		return nil, err
	}
	id := feedback.KioskID(s.Kiosk.ID)
	b := &box{
		fleet: f, settings: s, visitors: visitors, lit: make(chan struct{}),
		book: &book{fleet: f, kiosk: id, acked: map[feedback.Epoch]feedback.Seq{}},
		line: newLine(weather, f, wire.Topic(id, wire.TopicAck)),
	}
	if f.o.PowerEvery > 0 || f.o.ClockEvery > 0 || f.o.ImageEvery > 0 {
		b.clock, err = newBent()
	}
	return b, err
}

// open opens a core on the card.
func (b *box) open(ctx context.Context) error {
	b.book.dark.Store(false)
	o := app.Options{
		Settings: b.settings, Times: b.fleet.o.Times, Dial: b.line.dial,
		Log:          slog.New(&silent{b.fleet.o.Log.With("kiosk", b.settings.Kiosk.ID).Handler(), &b.book.dark}),
		Sources:      []input.Source{inlet{b}},
		WrapAppender: func(a app.Appender) app.Appender { return &pen{a, b.book} },
		WrapJournal:  func(j uplink.Journal) uplink.Journal { return b.book.open(j) },
	}
	if b.clock != nil {
		o.Clock = b.clock
	}
	core, err := app.New(ctx, o)
	if err == nil && b.book.err != nil {
		err = errors.Join(b.book.err, core.Close())
	}
	if err != nil {
		return fmt.Errorf("kiosk %s: %w", b.settings.Kiosk.ID, err)
	}
	b.core.Store(core)
	return nil
}

// press hands a signal to the core, where there is one.
func (b *box) press(s input.Signal) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	b.fleet.pressed.Add(1)
	if b.emit == nil {
		b.fleet.dark.Add(1)
		return
	}
	b.emit(s)
}

// inlet is the source of one core: whoever stands before the box.
type inlet struct{ box *box }

// Run implements input.Source.
func (i inlet) Run(ctx context.Context, emit func(input.Signal)) error {
	i.set(emit)
	i.box.litOnce.Do(func() { close(i.box.lit) })
	<-ctx.Done()
	i.set(nil)
	return nil
}

func (i inlet) set(emit func(input.Signal)) {
	i.box.mu.Lock()
	defer i.box.mu.Unlock()
	i.box.emit = emit
}

// visit lets visitors come until ctx is done.
func (b *box) visit(ctx context.Context) error {
	select {
	case <-b.lit:
		return b.visitors.Run(ctx, b.press)
	case <-ctx.Done():
		return nil
	}
}

// run runs core after core until ctx is done. When the weather is fine, nothing
// more happens to the box.
func (b *box) run(ctx, weather context.Context) error {
	for {
		next, err := b.live(ctx, weather)
		if err != nil || next == nil {
			return err
		}
		b.core.Store(nil)
		if err := next(ctx, weather); err != nil {
			return err
		}
		if b.clock != nil {
			b.clock.start(b.fleet.o.ClockEvery > 0 && heads())
		}
		b.line.set(&b.line.dark, false)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to stop
		}
		if err := b.open(ctx); err != nil {
			return err
		}
	}
}

// swap changes the card of a box in the dark.
type swap func(ctx, weather context.Context) error

// live lives one life of the box. It returns what is to happen before the next
// one, nil when there is none.
func (b *box) live(ctx, weather context.Context) (swap, error) {
	core := b.core.Load()
	o := b.fleet.o
	if o.PowerEvery == 0 && o.ClockEvery == 0 && o.ImageEvery == 0 {
		return nil, core.Run(ctx)
	}
	life, end := context.WithCancel(ctx)
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- core.Run(life) }()
	stop := func() {
		b.line.set(&b.line.dark, true)
		end()
		<-ended //nolint:errcheck // what it says of a journal that refused is no news
	}
	power, clock, image := newAlarm(o.PowerEvery), newAlarm(o.ClockEvery), newAlarm(o.ImageEvery)
	defer power.stop()
	defer clock.stop()
	defer image.stop()
	fine := weather.Done()
	for {
		select {
		case err := <-ended:
			return nil, err
		case <-fine:
			fine = nil
			power.stop()
			clock.stop()
			image.stop()
		case <-power.c:
			b.fleet.powerCuts.Add(1)
			return b.cutPower(stop)
		case <-clock.c:
			b.fleet.clockJumps.Add(1)
			b.clock.jump()
			clock.reset()
		case <-image.c:
			if b.image != nil {
				b.fleet.imagesRestored.Add(1)
				b.switchOff()
				stop()
				return b.restore, nil
			}
			if err := b.takeImage(ctx, core); err != nil {
				stop()
				return nil, err
			}
			image.reset()
		}
	}
}

// switchOff lets nothing more be written.
func (b *box) switchOff() {
	b.book.mu.Lock()
	defer b.book.mu.Unlock()
	b.book.dark.Store(true)
}

// cutPower cuts the power: the card is as it is at this instant, and nothing that
// the core does afterwards is on it.
func (b *box) cutPower(stop func()) (swap, error) {
	b.switchOff()
	b.line.set(&b.line.dark, true)
	torn := card{folder: b.cards("torn")}
	err := tear(context.Background(), b.settings.Data, torn.folder)
	stop()
	return func(_, weather context.Context) error {
		wait(weather, b.fleet.o.PowerFor)
		return insert(torn, b.settings.Data)
	}, err
}

// takeImage takes an image of the card, unless the hub may hold another history
// under its numbers: once an image with a fork before it were put in again, its
// presses would come twice, and nobody could know.
func (b *box) takeImage(ctx context.Context, core *app.Kiosk) error {
	if b.trusted = b.trusted || core.Link().Settled; !b.trusted {
		return nil
	}
	b.book.mu.Lock()
	defer b.book.mu.Unlock()
	c := card{folder: b.cards("image"), last: lastOf(b.book.journal)}
	if err := image(context.WithoutCancel(ctx), b.settings.Data, c.folder); err != nil {
		return err
	}
	b.image = &c
	return nil
}

// restore puts the image in.
func (b *box) restore(_, weather context.Context) error {
	wait(weather, b.fleet.o.PowerFor)
	b.book.replaced(b.image.last)
	err := insert(*b.image, b.settings.Data)
	b.image, b.trusted = nil, false
	return err
}

func (b *box) cards(name string) string {
	return filepath.Join(b.fleet.o.Folder, cardsFolder, b.settings.Kiosk.ID, name)
}

// alarm rings at random times of a mean, and never for the mean 0.
type alarm struct {
	mean  time.Duration
	timer *time.Timer
	c     <-chan time.Time
}

func newAlarm(mean time.Duration) *alarm {
	a := &alarm{mean: mean}
	if mean > 0 {
		a.timer = time.NewTimer(exponential(mean))
		a.c = a.timer.C
	}
	return a
}

func (a *alarm) reset() { a.timer.Reset(exponential(a.mean)) }

func (a *alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.c = nil
}

// silent is the log of a core, which says nothing in the dark: what it says of a
// journal that refuses is as was asked for.
type silent struct {
	slog.Handler
	dark *atomic.Bool
}

// Enabled implements slog.Handler.
func (s *silent) Enabled(ctx context.Context, l slog.Level) bool {
	return !s.dark.Load() && s.Handler.Enabled(ctx, l)
}

// WithAttrs implements slog.Handler.
func (s *silent) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &silent{s.Handler.WithAttrs(attrs), s.dark}
}

// WithGroup implements slog.Handler.
func (s *silent) WithGroup(name string) slog.Handler {
	return &silent{s.Handler.WithGroup(name), s.dark}
}
