// Package site says where a place is in time: its name, its IANA zone, and which
// quarter-hours of UTC make up each of its local days.
//
// It stands beside the line: hub/store keeps sites, hub/insight reads days by
// them. It is pure but for the zone database that a [time.Location] came from,
// and keeps nothing. It must not know stores or pages.
package site

import (
	"fmt"
	"time"

	"sourire/hub/rollup"
	"sourire/internal/feedback"
)

// Site is a store, lounge or branch.
type Site struct {
	ID   feedback.SiteID
	Name string
	Zone *time.Location
}

// New returns a site whose zone is named as in the IANA database, for instance
// "Europe/Paris". The machine's own zone ("" or "Local") is refused: figures
// must not depend on where the hub stands.
func New(id feedback.SiteID, name, zone string) (Site, error) {
	if _, err := feedback.ParseSiteID(string(id)); err != nil {
		return Site{}, err
	}
	if zone == "" || zone == "Local" {
		return Site{}, fmt.Errorf("site %s: zone %q: want a name of the IANA database, such as Europe/Paris", id, zone)
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return Site{}, fmt.Errorf("site %s: zone %q: want a name of the IANA database, such as Europe/Paris", id, zone)
	}
	if name == "" {
		name = string(id)
	}
	return Site{ID: id, Name: name, Zone: loc}, nil
}

// Today returns the site's local day at an instant.
func (s Site) Today(at time.Time) Day { return dayOf(at, s.Zone) }

// Begins returns the first quarter-hour of a local day. Days follow each other
// without a hole: one ends where the next begins. A day of a switch to or from
// daylight-saving time has 92 or 100 quarters, also where the switch is at
// midnight; a day that a zone skipped has none.
func (s Site) Begins(d Day) rollup.Bucket {
	b := rollup.BucketOf(time.Date(d.Year, d.Month, d.Day, 1, 0, 0, 0, s.Zone).UnixMilli())
	for dayOf(b.At(), s.Zone).Before(d) {
		b++
	}
	for !dayOf((b - 1).At(), s.Zone).Before(d) {
		b--
	}
	return b
}

// Bounds returns where the n days up to and with last begin, and where last
// ends: n+1 ascending buckets.
func (s Site) Bounds(last Day, n int) []rollup.Bucket {
	out := make([]rollup.Bucket, n+1)
	for i := range out {
		out[i] = s.Begins(last.Add(i - n + 1))
	}
	return out
}
