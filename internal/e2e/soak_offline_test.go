//go:build soak

package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"sourire/internal/e2e/summary"
	"sourire/internal/feedback"
)

// yearZones are those of the sites of a year: summer time that is an hour or
// half of one, in both halves of the world, and zones off the hour.
var yearZones = []string{"Europe/Paris", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"}

// year is a kiosk's year without a hub, as a seed has it.
func year(seed uint64) journey {
	r := rand.New(rand.NewPCG(seed, 365))
	j := journey{began: time.Date(2025, 10, 10, 22, 0, 0, 0, time.UTC), cuts: r}
	where := func() stay {
		n := r.IntN(len(yearZones))
		scales := []feedback.ScaleID{"smiley3", "smiley4", "smiley5", "binary"}
		return stay{
			fmt.Sprint("store-", n+1), fmt.Sprint("door-", 1+r.IntN(3)), string(scales[r.IntN(len(scales))]), yearZones[n],
		}
	}
	left := 365 * perDay
	at, days := where(), 0
	add := func(l leg) {
		if days -= l.presses; days < 0 {
			at, days = where(), perDay*(8+r.IntN(30))
		}
		scale, _ := feedback.ParseScale(at.scale)
		l.stay, l.presses = at, min(l.presses, left)
		l.rating = func(int) int { return scale.Lowest + r.IntN(scale.Steps) }
		left -= l.presses
		j.legs = append(j.legs, l)
	}
	sighted := func() int { return 100 + r.IntN(4*perDay) }
	add(leg{presses: sighted()})
	for left > 0 {
		switch r.IntN(6) {
		case 0: // the program restarts
			add(leg{presses: sighted(), restart: true})
		case 1: // a reboot, with the power off for up to two weeks
			add(leg{presses: sighted(), skip: r.IntN(14 * perDay), dark: time.Duration(r.IntN(300)) * time.Second})
		case 2: // no clock, and off too long before and after to say when it was
			add(leg{presses: 1 + r.IntN(20), skip: 2 * perDay, blind: true, undated: true})
			add(leg{presses: sighted(), skip: 2 * perDay})
		default: // boots without a clock; that the power was off as long before as after them puts them where they were
			dark := time.Duration(r.IntN(150)) * time.Second
			for n := range 1 + r.IntN(3) {
				l := leg{presses: 1 + r.IntN(60), blind: true, restart: n > 0 && r.IntN(2) == 0}
				if n == 0 {
					l.dark = dark
				}
				add(l)
			}
			add(leg{presses: sighted(), dark: dark})
		}
	}
	// Whatever the last press came from, the kiosk has a clock when it meets its hub.
	left = 1
	add(leg{presses: 1})
	return j
}

// TestSoak_offline lets kiosks be offline for a year of presses, with moves,
// other scales, summer times and boots without a clock, and then meet their hub
// over a link that is cut.
func TestSoak_offline(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint("seed-", seed), func(t *testing.T) {
			began := time.Now()
			j := year(seed)
			o, cuts := runJourney(t, j)
			moves, blind := 0, 0
			for i, l := range j.legs {
				if i > 0 && l.stay != j.legs[i-1].stay {
					moves++
				}
				if l.blind {
					blind++
				}
			}
			if cuts < 10 || moves < 10 || blind < 20 || o.undated == 0 {
				t.Errorf("got %d cuts, %d moves, %d starts without a clock, %d undated presses: that is no such year", cuts, moves, blind, o.undated)
			}
			t.Logf("after %v", time.Since(began).Round(time.Second))
			summary.Line("offline, seed %d: %d presses, %d moves, %d starts of which %d without a clock, %d undated presses, %d cuts: %s",
				seed, o.presses, moves, len(j.legs), blind, o.undated, cuts, verdict(t))
		})
	}
}
