package e2e

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sourire/hub/app"
	"sourire/hub/ingest"
	"sourire/hub/store/sqlstore"
	"sourire/internal/e2e/faultproxy"
	"sourire/internal/e2e/summary"
	"sourire/internal/feedback"
	"sourire/internal/mosquittotest"
	"sourire/internal/sqlite"
)

// The times of the table: a kiosk asks again after answerTimeout (kioskNode sets
// it), what is late comes later than that.
const (
	answerTimeout = 150 * time.Millisecond
	lateBy        = 400 * time.Millisecond
	cellTimeout   = 30 * time.Second
)

// TestTable_embedded runs every cell of the failure table with the hub's own
// broker.
func TestTable_embedded(t *testing.T) { runTable(t, false) }

// TestTable_mosquitto runs every cell with Mosquitto.
func TestTable_mosquitto(t *testing.T) { runTable(t, true) }

func runTable(t *testing.T, external bool) {
	all := cells()
	if want := int(places) * int(modes) * int(events); len(all) != want {
		t.Fatalf("got %d cells, want %d", len(all), want)
	}
	var ran atomic.Int64
	t.Run("cells", func(t *testing.T) {
		for _, c := range all {
			t.Run(c.name(), func(t *testing.T) {
				t.Parallel()
				if problems := runCell(t, c, external, ""); len(problems) > 0 {
					for _, p := range problems {
						t.Error(p)
					}
					return
				}
				ran.Add(1)
			})
		}
	})
	broker := "embedded broker"
	if external {
		broker = "Mosquitto"
	}
	summary.Line("failure table, %s: cells run %d / total %d", broker, ran.Load(), len(all))
	// go test -run may choose cells; nothing else may leave one out.
	if chosen := flag.Lookup("test.run").Value.String(); int(ran.Load()) != len(all) && !strings.Contains(chosen, "/") {
		t.Errorf("only %d of %d cells were run and green", ran.Load(), len(all))
	}
}

// TestTable_defects proves that the table can see: three deliberate defects
// must each turn cells red.
func TestTable_defects(t *testing.T) {
	for _, d := range []struct {
		defect string
		cell   cell
	}{
		{answerBeforeCommit, cell{atCommit, reported, hubRestart}},
		{markByPuback, cell{atReceive, fails, nothing}},
		{blindIncrement, cell{atPublish, fails, nothing}},
	} {
		t.Run(d.defect, func(t *testing.T) {
			problems := runCell(t, d.cell, false, d.defect)
			if len(problems) == 0 {
				t.Fatalf("the table stays green with %s in cell %v", d.defect, d.cell)
			}
			summary.Line("defect %q turns the table red: %s: %.80s", d.defect, d.cell, problems[0])
			if problems := runCell(t, d.cell, false, ""); len(problems) > 0 {
				t.Errorf("and red without the defect: %v", problems)
			}
		})
	}
}

// rig is one cell's world.
type rig struct {
	t        *testing.T
	cell     cell
	dir      string
	defect   string
	broker   string // host:port
	external *mosquittotest.Broker
	toKiosk  *faultproxy.Proxy // kiosk ↔ broker
	toHub    *faultproxy.Proxy // hub ↔ broker
	hub      *node
	kiosk    *node
	now      int64 // device time
	restored bool  // the hub's store was put back, so marks may be ahead of it
}

// red ends a cell early: what it found is beyond repair.
type red []string

const kioskID feedback.KioskID = "lounge-1"

// runCell runs one cell and returns what is wrong.
func runCell(t *testing.T, c cell, external bool, defect string) (problems []string) {
	t.Helper()
	r := &rig{t: t, cell: c, dir: t.TempDir(), defect: defect, now: 1000}
	r.open(external)
	defer r.close()
	defer func() {
		if p, ok := recover().(red); ok {
			problems = p
		}
	}()
	r.startHub()
	r.startKiosk("card")

	r.press(3, 3000) // the ordinary life before
	r.image("early")
	r.press(1, 3000)
	r.synced()
	r.press(1, 500) // the same visitor again: one visit, in another batch
	if c.event != cardRestored {
		r.synced()
	}
	if c.event == hubRestored {
		r.saveHub()
	}
	r.arm()
	r.press(2, 3000)
	r.struck()
	r.happen()
	r.disarm()
	r.press(2, 3000)
	r.press(1, 500)
	if problems := r.settle(); len(problems) > 0 {
		return problems
	}
	problems = r.audit()
	if len(problems) > 0 {
		for _, name := range []string{"hub.log", "card.log"} {
			b, _ := os.ReadFile(r.path(name))
			problems = append(problems, name+":\n"+string(b))
		}
	}
	return problems
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) open(external bool) {
	r.t.Helper()
	if external {
		r.external = mosquittotest.Start(r.t, mosquittotest.Options{Users: []mosquittotest.User{
			{Name: "hub", Password: "hub", Hub: true}, {Name: string(kioskID), Password: "key"},
		}})
		r.broker = r.external.Addr()
	} else {
		r.broker = freePort(r.t)
	}
	var err error
	if r.toKiosk, err = faultproxy.New(r.broker); err == nil {
		r.toHub, err = faultproxy.New(r.broker)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) close() {
	for _, n := range []*node{r.kiosk, r.hub} {
		if n != nil {
			n.kill()
		}
	}
	r.toKiosk.Close()
	r.toHub.Close()
	if r.t.Failed() {
		for _, name := range []string{"hub.log", "card.log", "clone.log"} {
			if b, err := os.ReadFile(r.path(name)); err == nil && len(b) > 0 {
				r.t.Logf("%s:\n%s", name, b[max(0, len(b)-4000):])
			}
		}
	}
}

// freePort returns an address of the loopback interface on which nobody listens.
// It lies below the ephemeral range, so that no connection takes it meanwhile.
func freePort(t testing.TB) string {
	t.Helper()
	for range 200 {
		addr := fmt.Sprintf("127.0.0.1:%d", 10_000+int(nextPort.Add(1)+int64(os.Getpid()))%10_000)
		l, err := net.Listen("tcp", addr)
		if err == nil {
			_ = l.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

var nextPort atomic.Int64

func (r *rig) startHub() {
	r.t.Helper()
	listen := r.broker
	if r.external != nil {
		listen = r.external.URL()
	}
	r.hub, _ = startNode(r.t, nodeSpec{Role: "hub", Data: r.path("hub"), Broker: listen, Link: r.toHub.URL(), Defect: r.defect})
}

func (r *rig) startKiosk(data string) {
	r.t.Helper()
	r.now += 10_000
	r.kiosk, _ = startNode(r.t, nodeSpec{Role: "kiosk", Data: r.path(data), Link: r.toKiosk.URL(), Kiosk: kioskID, Now: r.now, Defect: r.defect})
}

// press lets a visitor press n times, each so many milliseconds after the last.
func (r *rig) press(n int, after int64) {
	r.t.Helper()
	for range n {
		r.now += after
		// An append that is reported as failed is the visitor's loss, not ours.
		if _, alive := r.kiosk.ask(order{Do: "press", Since: r.now}); !alive {
			// It died at its write point; the visitor goes on when it is back.
			r.kiosk.kill()
			r.startKiosk("card")
		}
	}
}

// arm sets the trap.
func (r *rig) arm() {
	c := r.cell
	action := map[mode]faultproxy.Action{
		fails: faultproxy.Drop, reported: faultproxy.CutAfter, repeated: faultproxy.Duplicate, late: faultproxy.Delay,
	}[c.mode]
	rule := faultproxy.Rule{Packet: faultproxy.Publish, Action: action, Delay: lateBy, Count: 1}
	switch c.place {
	case atAppend:
		r.order(r.kiosk, order{Do: "arm", Fault: fault{On: true, Mode: c.mode, Kill: c.killsKiosk()}})
		return
	case atCommit:
		r.order(r.hub, order{Do: "arm", Fault: fault{On: true, Mode: c.mode, Kill: c.killsHub()}})
		return
	case atPublish:
		rule.Direction, rule.TopicSuffix = faultproxy.ToBroker, "/journal"
		if c.mode == fails {
			rule.Action = faultproxy.CutBefore
		}
		r.toKiosk.Use(rule)
	case atPuback:
		rule.Direction, rule.Packet, rule.TopicSuffix = faultproxy.ToClient, faultproxy.PubAck, "/journal"
		if c.mode == reported {
			rule.Action = faultproxy.CutBefore // it was given, and is taken for lost
		}
		r.toKiosk.Use(rule)
	case atReceive:
		rule.Direction, rule.TopicSuffix = faultproxy.ToClient, "/journal"
		r.toHub.Use(rule)
	case atAnswer:
		rule.Direction, rule.TopicSuffix = faultproxy.ToBroker, "/ack"
		r.toHub.Use(rule)
	}
}

func (r *rig) order(n *node, o order) reply {
	r.t.Helper()
	reply, alive := n.ask(o)
	if !alive {
		r.t.Fatalf("a node died at %q", o.Do)
	}
	return reply
}

// struck waits until the fault has really happened.
func (r *rig) struck() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), cellTimeout)
	defer cancel()
	var err error
	switch r.cell.place {
	case atPublish, atPuback:
		err = r.toKiosk.Await(ctx)
	case atReceive, atAnswer:
		err = r.toHub.Await(ctx)
	case atAppend:
		if r.cell.killsKiosk() {
			return // press has buried it
		}
		if r.order(r.kiosk, order{Do: "status"}).Hits == 0 {
			r.t.Fatal("the fault at append never happened")
		}
	case atCommit:
		r.awaitHub(ctx)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// awaitHub waits until the hub's commit was struck, or the hub died of it.
func (r *rig) awaitHub(ctx context.Context) {
	r.t.Helper()
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		reply, alive := r.hub.ask(order{Do: "status"})
		if !alive {
			if r.cell.killsHub() {
				return
			}
			r.t.Fatal("the hub died")
		}
		if reply.Hits > 0 && !r.cell.killsHub() {
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.t.Fatal("the fault at commit never happened")
		}
	}
}

func (r *rig) disarm() {
	r.toKiosk.Use()
	r.toHub.Use()
}

// happen lets the cell's event happen.
func (r *rig) happen() {
	r.t.Helper()
	switch r.cell.event {
	case nothing:
	case reconnect:
		r.toKiosk.Cut()
	case kioskRestart:
		r.kiosk.kill()
		r.startKiosk("card")
	case hubRestart:
		r.hub.kill()
		r.startHub()
	case brokerRestart:
		r.restartBroker()
	case hubRestored:
		r.restoreHub()
	case twoIngesters:
		r.secondIngester()
	case cardRestored:
		r.kiosk.kill()
		r.replaceCard("card", "early")
		r.startKiosk("card")
	case commitsLost:
		r.synced()
		r.image("before")
		r.press(2, 3000)
		r.synced()
		r.kiosk.kill()
		r.replaceCard("card", "before")
		r.startKiosk("card")
	case clone:
		r.kiosk.kill()
		r.replaceCard("clone", "early")
		r.startKiosk("clone")
		r.press(2, 3000)
		r.synced()
		r.kiosk.kill()
		r.startKiosk("card")
	}
}

// restartBroker restarts the broker and lets it forget everything. The embedded
// one lives and dies with its hub.
func (r *rig) restartBroker() {
	r.t.Helper()
	if r.external != nil {
		r.external.Kill()
		r.external.Restart()
		return
	}
	r.hub.kill()
	if err := os.RemoveAll(r.path("hub/broker")); err != nil {
		r.t.Fatal(err)
	}
	r.startHub()
}

func (r *rig) hubFile() string { return filepath.Join(r.path("hub"), app.FileName) }

// saveHub takes a backup of the running hub's store.
func (r *rig) saveHub() {
	r.t.Helper()
	store, err := sqlstore.Open(context.Background(), r.hubFile())
	if err != nil {
		r.t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Backup(context.Background(), r.path("backup.db"), sqlstore.Manifest{}, nil); err != nil {
		r.t.Fatal(err)
	}
}

// restoreHub puts the backup in place of the store of a stopped hub, as a
// restore does: with a new id.
func (r *rig) restoreHub() {
	r.t.Helper()
	r.putBack()
	store, err := sqlstore.Open(context.Background(), r.hubFile())
	if err != nil {
		r.t.Fatal(err)
	}
	if err := store.Redraw(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.startHub()
}

// putBack stops the hub and copies the backup over its store, as a person would
// by hand.
func (r *rig) putBack() {
	r.t.Helper()
	r.restored = true
	r.hub.kill()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(r.hubFile() + suffix)
	}
	copyFile(r.t, r.path("backup.db"), r.hubFile())
}

// secondIngester lets a second ingester hear every request and believe that the
// store is its own.
func (r *rig) secondIngester() {
	r.t.Helper()
	if reply := r.order(r.hub, order{Do: "twin"}); reply.Err != "" {
		r.t.Fatal(reply.Err)
	}
}

// image takes an image of the running kiosk's card.
func (r *rig) image(name string) {
	r.t.Helper()
	db, err := sqlite.Open(filepath.Join(r.path("card"), journalFile), sqlite.Options{MustExist: true})
	if err != nil {
		r.t.Fatal(err)
	}
	defer db.Close()
	if err := db.BackupTo(context.Background(), r.path(name)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) replaceCard(data, image string) {
	r.t.Helper()
	if err := os.MkdirAll(r.path(data), 0o700); err != nil {
		r.t.Fatal(err)
	}
	file := filepath.Join(r.path(data), journalFile)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(file + suffix)
	}
	copyFile(r.t, r.path(image), file)
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// synced waits until the hub has everything that the running kiosk holds.
func (r *rig) synced() {
	r.t.Helper()
	if p := r.settle(); len(p) > 0 {
		panic(red(p))
	}
}

// settle waits for the same and says what is missing when it does not come.
func (r *rig) settle() []string {
	ctx, cancel := context.WithTimeout(context.Background(), cellTimeout)
	defer cancel()
	store, err := sqlstore.Open(ctx, r.hubFile())
	if err != nil {
		return []string{err.Error()}
	}
	defer store.Close()
	var missing string
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		status, alive := r.kiosk.ask(order{Do: "status"})
		if !alive {
			return []string{"the kiosk died"}
		}
		missing = ""
		keys := make([]ingest.Key, len(status.Epochs))
		for i, e := range status.Epochs {
			keys[i] = ingest.Key{Kiosk: kioskID, Epoch: e.ID}
		}
		marks, err := store.Marks(ctx, keys)
		if err != nil {
			return []string{err.Error()}
		}
		for i, e := range status.Epochs {
			// The status was read before the mark, and marks only rise: a kiosk
			// that believes more than is true was told so too early.
			if e.Acked > marks[i].Through && !r.restored {
				return []string{fmt.Sprintf("epoch %s: the kiosk's mark says %d, the hub has %d", e.ID, e.Acked, marks[i].Through)}
			}
			if marks[i].Through < e.Next-1 {
				missing = fmt.Sprintf("epoch %s: the hub has %d of %d", e.ID, marks[i].Through, e.Next-1)
			}
		}
		if missing == "" && status.Settled {
			tick.Stop()
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return []string{"the kiosk's journal never arrived: " + missing}
		}
	}
}

// audit stops everything and checks the invariant.
func (r *rig) audit() []string {
	for _, n := range []*node{r.kiosk, r.hub} {
		n.stop(r.t)
	}
	appended, err := readAppended(r.path("card.book"), r.path("clone.book"))
	if err != nil {
		return []string{err.Error()}
	}
	a := newAudit(r.t, r.path("hub"), appended)
	if len(appended) == 0 {
		a.problem("nothing was appended")
	}
	return a.check(r.cell.destroys())
}
