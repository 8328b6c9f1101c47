//go:build soak

package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"sourire/hub/ingest"
	"sourire/hub/insight"
	"sourire/hub/rollup"
	"sourire/hub/site"
	"sourire/hub/store/sqlstore"
	"sourire/hub/verify"
	"sourire/internal/e2e/summary"
	"sourire/internal/feedback"
)

// What a question may take, and how much faster it must be than the same figures
// counted from records.
const (
	bigLimit = 15 * time.Millisecond
	bigRatio = 100
)

// TestSoak_big asks every question that hub/insight answers of a chain of 200
// sites over three years: again and again, with the factors of clustering
// remembered and without, while presses come in; and counts the same from visits
// and from records. SOURIRE_BIG is the number of presses, a million unless said
// otherwise; SOURIRE_BIG_ON is sqlite or postgres, both unless said otherwise;
// SOURIRE_BIG_RESULTS is a file to which the tables are appended.
func TestSoak_big(t *testing.T) {
	presses := int64(1_000_000)
	if text := os.Getenv("SOURIRE_BIG"); text != "" {
		var err error
		if presses, err = strconv.ParseInt(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"sqlite", "postgres"} {
		if on := os.Getenv("SOURIRE_BIG_ON"); on == "" || on == name {
			t.Run(name, func(t *testing.T) { bigRun(t, name, presses) })
		}
	}
}

func bigRun(t *testing.T, name string, presses int64) {
	// A server of this size has some memory; a quarter of a GiB is little.
	s, bare, path := bigOn(t, name == "postgres", "shared_buffers = 256MB", "max_wal_size = 1GB", "checkpoint_timeout = 5min")
	f := newBigFleet(t, 200, 3*365, presses)
	clock := &bigClock{}
	began, said := time.Now(), time.Now()
	g, err := f.fill(t.Context(), s, clock, func(day int, made int64) {
		if time.Since(said) > 10*time.Second {
			said = time.Now()
			fmt.Fprintf(os.Stderr, "%s: day %d of %d, %d presses, %.0f/s, %v to go\n", name, day, f.days, made, float64(made)/time.Since(began).Seconds(),
				(time.Since(began) * time.Duration(f.days-day) / time.Duration(day)).Round(time.Second))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	if name == "postgres" { // as its own housekeeping would, sooner or later
		if _, err := bare.ExecContext(t.Context(), "ANALYZE"); err != nil {
			t.Fatal(err)
		}
	}
	b := &bigBench{t: t, f: f, s: s, g: g, bare: bare, clock: clock, path: path, rng: rand.New(rand.NewPCG(3, 4))}
	b.printf("%s: 200 sites, %d kiosks, %d days, %d presses, stored in %v: %.0f a second\n\n", name, len(f.terminals), f.days, f.made,
		took.Round(time.Second), float64(f.made)/took.Seconds())
	bigEqual(t, f, s, bare, clock, 5, 3)
	b.measure()
	b.sizes()
	b.save()
	worst := slices.MaxFunc(b.asked, func(x, y bigFigure) int { return int(x.p99 - y.p99) })
	summary.Line("big, %s: %d presses, %d questions asked, the slowest (%s) 99 of 100 within %.1f ms, at least %.0f times faster than from records: %s",
		name, f.made, len(b.asked), worst.what, ms(worst.p99), b.least, verdict(t))
}

// bigBench asks and counts.
type bigBench struct {
	t     *testing.T
	f     *bigFleet
	s     *sqlstore.Store
	g     *ingest.Ingester
	bare  *sql.DB
	clock *bigClock
	path  string // of the file; "": a server's database
	rng   *rand.Rand
	out   strings.Builder
	asked []bigFigure
	least float64 // ratio to records
}

func (b *bigBench) printf(format string, args ...any) { fmt.Fprintf(&b.out, format, args...) }

// bigFigure is how long a question took.
type bigFigure struct {
	what             string
	n                int
	median, p99, max time.Duration
	visits, records  time.Duration // the same from these; 0: not counted
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// time asks a question n times.
func (b *bigBench) time(what string, n int, ask func(context.Context, *site.Site) error) *bigFigure {
	b.t.Helper()
	var took []time.Duration
	for range n {
		x := &b.f.sites[b.rng.IntN(len(b.f.sites))]
		began := time.Now()
		if err := ask(b.t.Context(), x); err != nil {
			b.t.Fatalf("%s: %v", what, err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.asked = append(b.asked, bigFigure{what: what, n: n, median: took[n/2], p99: took[min(n-1, (n*99+99)/100-1)], max: took[n-1]})
	fmt.Fprintf(os.Stderr, "%-60s median %8.2f ms, 99 of 100 within %8.2f ms\n", what, ms(took[n/2]), ms(b.asked[len(b.asked)-1].p99))
	return &b.asked[len(b.asked)-1]
}

func (b *bigBench) anyDay() site.Day { return b.f.first.Add(b.rng.IntN(b.f.days)) }

// measure asks everything while a press comes in every 50 ms, and prints it.
func (b *bigBench) measure() {
	b.clock.run()
	fresh := func() *insight.Insight { return insight.New(b.s, insight.Options{Now: b.clock.now}) }
	old := fresh()
	stop := b.load()
	defer stop()
	ctx := b.t.Context()
	if _, err := old.Sites(ctx); err != nil {
		b.t.Fatal(err)
	}
	newest := &b.f.sites[len(b.f.sites)-1]
	overview := func(in func() *insight.Insight) func(context.Context, *site.Site) error {
		return func(ctx context.Context, _ *site.Site) error { _, err := in().Sites(ctx); return err }
	}
	one := func(in func() *insight.Insight, day func() site.Day) func(context.Context, *site.Site) error {
		return func(ctx context.Context, x *site.Site) error { _, err := in().Site(ctx, x.ID, day()); return err }
	}
	known := func() *insight.Insight { return old }
	today := func() site.Day { return site.Day{} }
	// The same figures from what is below roll-ups.
	perPress := b.recount()
	last := site.Site{Zone: time.UTC}.Today(b.f.end)
	history := b.count("a site", 15, 142, last)
	oneDay := b.count("a site's day", 15, 1, last)
	allDays := b.count("all sites", 2, 113, last, b.f.sites...)
	everything := time.Duration(perPress * float64(b.f.made))
	aSite := everything / time.Duration(len(b.f.sites))
	set := func(f *bigFigure, visits, records time.Duration) { f.visits, f.records = visits, records }

	set(b.time("overview, factors known", 400, overview(known)), b.count("all sites' day", 2, 1, last, b.f.sites...), everything)
	set(b.time("overview, first", 100, overview(fresh)), allDays, everything)
	set(b.time("site today, factors known", 2000, one(known, today)), history, aSite)
	set(b.time("site today, first", 1000, one(fresh, today)), history, aSite)
	set(b.time("site on any day", 2000, one(known, b.anyDay)), history, aSite)
	day := b.anyDay()
	for _, x := range b.f.sites {
		if _, err := old.Site(ctx, x.ID, day); err != nil {
			b.t.Fatal(err)
		}
	}
	set(b.time("site on a day asked before", 2000, one(known, func() site.Day { return day })), history, aSite)
	set(b.time("life of a site", 2000, func(ctx context.Context, x *site.Site) error { _, err := old.Life(ctx, x.ID); return err }), oneDay, aSite)
	set(b.time("site without history, first", 100, func(ctx context.Context, _ *site.Site) error {
		_, err := fresh().Site(ctx, newest.ID, site.Day{})
		return err
	}), allDays, everything)
	b.time("configure: start of a hub", 20, func(ctx context.Context, _ *site.Site) error { return old.Configure(ctx, b.f.sites) })
	b.fromDisk()
	b.table()
}

// count counts the figures of so many days up to one from visits, n times, for one
// site at a time or for those named, and returns the median.
func (b *bigBench) count(what string, n, days int, last site.Day, sites ...site.Site) time.Duration {
	var took []time.Duration
	for i := range n {
		of := sites
		if len(of) == 0 {
			of = b.f.sites[(i*13)%len(b.f.sites):][:1]
		}
		began := time.Now()
		if _, err := countVisits(b.t.Context(), b.bare, last.Number()-rollup.Day(days)+1, last.Number(), of...); err != nil {
			b.t.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	fmt.Fprintf(os.Stderr, "%-60s median %8.2f ms\n", "from visits: "+what+", days: "+strconv.Itoa(days), ms(took[n/2]))
	return took[n/2]
}

// recount folds the records of some kiosks anew, as sourire-hub verify does, and
// returns nanoseconds a press.
func (b *bigBench) recount() float64 {
	var presses int64
	began := time.Now()
	for i := 0; i < len(b.f.terminals) && (i < 40 || time.Since(began) < 5*time.Second) && time.Since(began) < 30*time.Second; i += 8 {
		report, err := verify.Run(b.t.Context(), b.s, b.f.terminals[i].id, nil)
		if err != nil || !report.OK() {
			b.t.Fatalf("verify: %v %v", err, report.Problems)
		}
		for _, f := range report.Findings {
			presses += f.Presses
		}
	}
	each := float64(time.Since(began)) / float64(presses)
	fmt.Fprintf(os.Stderr, "from records: %.2f µs a press, of %d\n", each/1000, presses)
	return each
}

// load lets kiosks press now and then until stop is called: 20 batches of one to
// three presses a second.
func (b *bigBench) load() (stop func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	var done sync.WaitGroup
	rng := rand.New(rand.NewPCG(5, 6))
	done.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			k := b.f.terminals[rng.IntN(len(b.f.terminals))]
			for range 1 + rng.IntN(3) {
				k.record(b.clock.now(), feedback.Press{Rating: k.scale.Lowest + rng.IntN(k.scale.Steps), Held: 80})
			}
			if err := bigIngest(context.WithoutCancel(ctx), b.g, []ingest.Batch{k.batch()}); err != nil {
				b.t.Error(err)
				return
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// fromDisk asks right after a start of the hub with nothing of the file in memory.
func (b *bigBench) fromDisk() {
	if b.path == "" {
		return
	}
	const n = 20
	for _, what := range []string{"overview", "site"} {
		var took []time.Duration
		for range n {
			b.evict()
			s, err := sqlstore.Open(b.t.Context(), b.path)
			if err != nil {
				b.t.Fatal(err)
			}
			in := insight.New(s, insight.Options{Now: b.clock.now})
			began := time.Now()
			if what == "site" {
				_, err = in.Site(b.t.Context(), b.f.sites[b.rng.IntN(len(b.f.sites))].ID, site.Day{})
			} else {
				_, err = in.Sites(b.t.Context())
			}
			took = append(took, time.Since(began))
			if err != nil {
				b.t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				b.t.Fatal(err)
			}
		}
		slices.Sort(took)
		b.printf("%s, the first after a start, nothing of the file in memory: median %.1f ms, at most %.1f ms of %d\n", what, ms(took[n/2]), ms(took[n-1]), n)
	}
	b.printf("\n")
}

// evict asks the system to forget what it has of the file.
func (b *bigBench) evict() {
	file, err := os.Open(b.path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer file.Close()
	const dontNeed = 4
	_ = file.Sync()
	if _, _, e := syscall.Syscall6(syscall.SYS_FADVISE64, file.Fd(), 0, 0, dontNeed, 0, 0); e != 0 {
		b.t.Fatal(e)
	}
}

// table prints what was asked, and fails the test where it took too long.
func (b *bigBench) table() {
	w := tabwriter.NewWriter(&b.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "question\tn\tmedian ms\t99 of 100\tmost\tfrom visits\ttimes\tfrom records\ttimes\t")
	for _, f := range b.asked {
		fmt.Fprintf(w, "%s\t%d\t%.2f\t%.2f\t%.2f\t", f.what, f.n, ms(f.median), ms(f.p99), ms(f.max))
		if f.records == 0 {
			fmt.Fprintln(w, "\t\t\t\t")
			continue
		}
		ratio := float64(f.records) / float64(f.median)
		if b.least == 0 || ratio < b.least {
			b.least = ratio
		}
		fmt.Fprintf(w, "%.1f\t%.0f\t%.0f\t%.0f\t\n", ms(f.visits), float64(f.visits)/float64(f.median), ms(f.records), ratio)
		if f.p99 > bigLimit {
			b.t.Errorf("%s: 99 of 100 take up to %v, want %v at most", f.what, f.p99, bigLimit)
		}
		if ratio < bigRatio {
			b.t.Errorf("%s is %.0f times as fast as from records, want %d", f.what, ratio, bigRatio)
		}
	}
	_ = w.Flush() // into memory
	b.printf("\n")
}

// sizes prints what a press takes on disk.
func (b *bigBench) sizes() {
	query := `SELECT CASE WHEN relname LIKE 'record%' THEN 'record' ELSE relname END, CAST(sum(pg_total_relation_size(oid)) AS BIGINT)
		FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace GROUP BY 1 ORDER BY 2 DESC`
	if b.path != "" {
		query = "SELECT name, sum(pgsize) FROM dbstat WHERE aggregate = TRUE GROUP BY 1 ORDER BY 2 DESC"
	}
	rows, err := b.bare.QueryContext(b.t.Context(), query)
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	var sum int64
	w := tabwriter.NewWriter(&b.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "table\tMiB\tbytes a press\t")
	for rows.Next() {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			b.t.Fatal(err)
		}
		if sum += n; n > 1<<20 {
			fmt.Fprintf(w, "%s\t%.0f\t%.1f\t\n", name, float64(n)/(1<<20), float64(n)/float64(b.f.made))
		}
	}
	if err := rows.Err(); err != nil {
		b.t.Fatal(err)
	}
	fmt.Fprintf(w, "all\t%.0f\t%.1f\t\n", float64(sum)/(1<<20), float64(sum)/float64(b.f.made))
	_ = w.Flush()
	b.printf("\n")
}

// save prints everything, and appends it to a file if one is named.
func (b *bigBench) save() {
	commit, _ := exec.Command("git", "describe", "--always", "--dirty").Output()
	load, _ := os.ReadFile("/proc/loadavg")
	text := fmt.Sprintf("%s, commit %s, %s, %d cores, load %s\n%s", time.Now().Format(time.DateOnly), strings.TrimSpace(string(commit)),
		runtime.Version(), runtime.NumCPU(), strings.TrimSpace(string(load)), b.out.String())
	fmt.Println(text)
	path := os.Getenv("SOURIRE_BIG_RESULTS")
	if path == "" {
		return
	}
	file, err := os.OpenFile(filepath.Clean(path), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = file.WriteString(text + "\n")
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		b.t.Error(err)
	}
}
