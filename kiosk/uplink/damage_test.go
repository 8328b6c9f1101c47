package uplink_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/mosquittotest"
	"sourire/internal/sqlite"
	"sourire/internal/visit"
	"sourire/internal/wire"
	"sourire/kiosk/journal"
)

// alter changes the file of a journal that is closed, behind its back.
func alter(t *testing.T, path, statement string, args ...any) {
	t.Helper()
	db, err := sqlite.Open(path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Write.Exec(statement, args...)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// damage flips a bit in the record of press 30, where SQLite does not look.
func damage(t *testing.T, path string) {
	t.Helper()
	alter(t, path, `UPDATE record SET body = CAST(replace(body, '1,30]', '0,30]') AS BLOB)`)
}

// unreadable makes records of the first epoch unreadable.
func unreadable(t *testing.T, path string, first, last feedback.Seq) {
	t.Helper()
	alter(t, path, `UPDATE record SET body = x'00' WHERE seq BETWEEN ? AND ? AND epoch = (SELECT id FROM epoch ORDER BY n LIMIT 1)`, first, last)
}

func (k *kiosk) applies(touchpoint feedback.TouchpointID) {
	k.t.Helper()
	k.say(feedback.PlanApplied{
		Plan:  feedback.NewPlanID([]byte(touchpoint)),
		Asked: feedback.Asked{Site: "s", Touchpoint: touchpoint, Survey: "q", Scale: "smiley3"},
	})
}

func (k *kiosk) say(f feedback.Fact) {
	k.t.Helper()
	if _, err := k.j.Append(context.Background(), f); err != nil {
		k.t.Fatal(err)
	}
}

// answers folds what the hub has, as the real one does, and tells under what
// each press was counted.
func (h *hub) answers() map[int64]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[int64]string{}
	for _, s := range h.epochs {
		var state visit.State
		var effects visit.Effects
		for i, body := range s.records {
			r, err := wire.DecodeRecord([]byte(body))
			if err != nil {
				continue // a declared gap
			}
			err = state.Step(feedback.Seq(i+1), r, &effects)
			p, ok := r.Fact.(feedback.Press)
			switch {
			case !ok:
			case err != nil:
				all[p.Held] += "refused"
			case state.Test:
				all[p.Held] += "test"
			case state.Cleaning:
				all[p.Held] += "cleaning"
			default:
				all[p.Held] += string(state.Asked.Touchpoint)
			}
		}
	}
	return all
}

// A hole swallows records that said what held behind it: each press still counts
// under what was asked when it was made, as far as anything tells.
func TestUplink_hole_swallows(t *testing.T) {
	cases := map[string]struct {
		first string           // in force before the hole, with presses 1 to 10
		hole  func(*kiosk)     // what it swallows, beside presses
		lost  bool             // the landmarks are lost as well
		want  map[int64]string // presses 1, 10 and those behind the hole
		after func(k *kiosk)   // behind it
	}{
		"nothing": {want: map[int64]string{1: "a", 10: "a", 21: "a", 30: "a"}},
		"a plan": {
			hole: func(k *kiosk) { k.applies("b") },
			want: map[int64]string{1: "a", 10: "a", 21: "b", 30: "b"},
		},
		"two plans, and a third one follows": {
			hole:  func(k *kiosk) { k.applies("b"); k.applies("c") },
			after: func(k *kiosk) { k.applies("d"); k.press(5) },
			want:  map[int64]string{1: "a", 10: "a", 21: "c", 30: "c", 31: "d", 35: "d"},
		},
		"the beginning of a test": {
			hole: func(k *kiosk) { k.say(feedback.Test{On: true}) },
			want: map[int64]string{1: "a", 21: "test", 30: "test"},
		},
		"the end of a cleaning": {
			hole: func(k *kiosk) {
				k.say(feedback.Cleaning{On: true})
				k.say(feedback.Cleaning{})
			},
			want: map[int64]string{1: "a", 21: "a", 30: "a"},
		},
		"a test and a start": {
			hole: func(k *kiosk) {
				k.say(feedback.Test{On: true})
				k.close()
				k.open()
			},
			want: map[int64]string{1: "a", 21: "a", 30: "a"},
		},
		// Nothing tells what was asked behind it: the gap is declared, and the
		// next epoch says why.
		"a plan that nothing else tells of": {
			hole: func(k *kiosk) { k.applies("b") }, lost: true,
			want: map[int64]string{1: "a", 10: "a", 21: "a", 30: "a"},
		},
	}
	b := mosquittotest.Start(t, mosquittotest.Options{})
	for name, tt := range cases {
		for _, at := range []string{"behind the mark", "further on"} {
			t.Run(name+", "+at, func(t *testing.T) {
				h, k := startHub(t, b), newKiosk(t, b)
				old := k.j.Head().ID
				k.applies("a")
				if at == "behind the mark" {
					k.press(10)
				}
				k.start()
				await(t, "all is acknowledged", func() bool { return k.queue() == 0 && k.u.Status().Settled })
				k.stop()
				if at != "behind the mark" {
					k.press(10)
				}
				first := k.j.Head().Next
				k.press(5)
				if tt.hole != nil {
					tt.hole(k)
				}
				k.press(5)
				last := k.j.Head().Next - 1
				k.press(10)
				if tt.after != nil {
					tt.after(k)
				}
				k.close()
				unreadable(t, k.path(), first, last)
				if tt.lost {
					alter(t, k.path(), "UPDATE landmark SET body = x'00' WHERE epoch = ? AND seq >= ?", int64(old), first)
				}
				k.open()
				k.applies("z")
				k.press(1)
				k.start()
				await(t, "all is acknowledged", func() bool { return k.queue() == 0 && k.u.Status().Settled })
				got := h.answers()
				for n, want := range tt.want {
					if got[n] != want {
						t.Errorf("press %d was counted under %q, want %q", n, got[n], want)
					}
				}
				if want := "z"; got[k.next] != want {
					t.Errorf("press %d was counted under %q, want %q", k.next, got[k.next], want)
				}
				for n := int64(1); n <= k.next; n++ {
					if _, ok := got[n]; ok == (n > 10 && n <= 20) {
						t.Errorf("press %d is stored: %v", n, ok)
					}
				}
				h.with(func() {
					if len(h.epochs) != 2 {
						t.Errorf("got %d epochs, want the old one and the one after the rescue", len(h.epochs))
					}
					began, err := wire.DecodeRecord([]byte(h.epochs[k.j.Head().ID].records[0]))
					if err != nil {
						t.Fatal(err)
					}
					if why := began.Fact.(feedback.EpochBegan).Why; strings.Contains(why, "what was asked") != tt.lost {
						t.Errorf("got why %q, want it to say whether what was asked is known", why)
					}
				})
			})
		}
	}
}

// A hub that lost what the kiosk has dropped since still learns what was asked,
// in the current epoch and in one that is closed.
func TestUplink_gap_asked(t *testing.T) {
	for _, closed := range []bool{false, true} {
		b := mosquittotest.Start(t, mosquittotest.Options{})
		h, k := startHub(t, b), newKiosk(t, b)
		k.applies("a")
		k.press(5)
		k.start()
		k.settle(h)
		copied := map[feedback.Epoch]int{}
		h.with(func() {
			for id, s := range h.epochs {
				copied[id] = len(s.records)
			}
		})
		k.applies("b")
		k.say(feedback.Test{On: true})
		k.say(feedback.Test{})
		k.press(10)
		k.settle(h)
		k.close()
		h.with(func() { // put back from a copy
			for id, s := range h.epochs {
				s.records, s.hashes = s.records[:copied[id]], s.hashes[:copied[id]+1]
			}
		})
		// Drop what is acknowledged, as a month would.
		j, err := journal.Open(t.Context(), journal.Options{
			Path: k.path(), Kiosk: "k1", Version: "v1", Clock: steadyClock{boot: "a", began: time.Now().Add(-60 * 24 * time.Hour), trusted: true},
		})
		if err == nil {
			err = j.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		k.open()
		k.press(3)
		if closed {
			e := k.j.Head()
			if _, err := k.j.Fork(t.Context(), e.ID, e.Next-1, "test"); err != nil {
				t.Fatal(err)
			}
			k.press(2)
		}
		k.start()
		await(t, "all is acknowledged", func() bool { return k.queue() == 0 && k.u.Status().Settled })
		var got []string
		all := h.answers()
		for n := int64(1); n <= k.next; n++ {
			if a, ok := all[n]; ok {
				got = append(got, a)
			}
		}
		if want := strings.Split("aaaaabbbbb", ""); closed && !slices.Equal(got, want) || !closed && !slices.Equal(got, want[:8]) {
			t.Errorf("closed %v: got %v", closed, got)
		}
	}
}
