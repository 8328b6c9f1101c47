package upkeep

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Period is how long something is kept; the zero Period is forever.
type Period struct{ days, months int }

// Days returns a period of so many days, Months one of so many months.
func Days(n int) Period { return Period{days: n} }

// Months returns a period of so many months.
func Months(n int) Period { return Period{months: n} }

// Forever reports whether the period has no end.
func (p Period) Forever() bool { return p == Period{} }

// String returns the period as it is written in settings.
func (p Period) String() string {
	n, unit := p.days, "day"
	if p.months > 0 {
		n, unit = p.months, "month"
	}
	switch n {
	case 0:
		return "forever"
	case 1:
		return "1 " + unit
	}
	return strconv.Itoa(n) + " " + unit + "s"
}

// MarshalText writes what UnmarshalText reads.
func (p Period) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// maxPeriod bounds numbers: a thousand years of days are forever.
const maxPeriod = 365_000

// UnmarshalText reads "90 days", "24 months" or "forever".
func (p *Period) UnmarshalText(text []byte) error {
	const how = `write a number of days or months, such as "90 days" or "24 months", or "forever"`
	*p = Period{}
	if string(text) == "forever" {
		return nil
	}
	number, unit, _ := strings.Cut(string(text), " ")
	n, err := strconv.Atoi(number)
	if err != nil || number[0] == '+' {
		return fmt.Errorf("it is no period: %s", how)
	}
	if n < 1 || n > maxPeriod {
		return fmt.Errorf("%d is no length of a period: %s", n, how)
	}
	switch strings.TrimSuffix(unit, "s") {
	case "day":
		p.days = n
	case "month":
		p.months = n
	case "year":
		return fmt.Errorf("years are written as months: %d months", 12*n)
	default:
		return fmt.Errorf("it is no period: %s", how)
	}
	return nil
}

// Before returns the instant before which nothing is kept; the zero Time when all is.
func (p Period) Before(now time.Time) time.Time {
	if p.Forever() {
		return time.Time{}
	}
	return now.UTC().AddDate(0, -p.months, -p.days)
}

// length is the nominal length in days, to compare periods of different units.
func (p Period) length() float64 {
	const month = 365.25 / 12
	return float64(p.days) + month*float64(p.months)
}

func (p Period) shorterThan(q Period) bool {
	return !p.Forever() && (q.Forever() || p.length() < q.length())
}

// Keep says how long each kind is kept.
type Keep struct {
	Comments Period `toml:"comments" json:"comments" help:"Texts of comments, from when they were written. Like 90 days, 24 months or forever."`
	Records  Period `toml:"records" json:"records" help:"What kiosks recorded, press by press, from when it was stored. At least 30 days: so long kiosks keep theirs."`
	Quarters Period `toml:"quarters" json:"quarters" help:"Counts by quarters of an hour. At least as long as records."`
	Days     Period `toml:"days" json:"days" help:"Counts by days. At least as long as quarters."`
}

// DefaultKeep keeps days forever, comments a year, and what lies between three years.
func DefaultKeep() Keep {
	return Keep{Comments: Months(12), Records: Months(36), Quarters: Months(36)}
}

// kioskKeeps is how long a kiosk keeps what the hub has acknowledged.
const kioskKeeps = 30

// Check says what is wrong with the periods, in a sentence.
func (k Keep) Check() error {
	switch {
	case k.Records.shorterThan(Days(kioskKeeps)):
		return fmt.Errorf("setting keep.records is %q: kiosks keep what they recorded for %d days, and the hub must not keep it shorter: write %q or more", k.Records, kioskKeeps, Days(kioskKeeps))
	case k.Records.shorterThan(k.Comments):
		return fmt.Errorf("setting keep.comments is %q and keep.records %q: a comment goes with its record at the latest: keep comments as long as records or shorter", k.Comments, k.Records)
	case k.Quarters.shorterThan(k.Records):
		return fmt.Errorf("setting keep.quarters is %q and keep.records %q: quarters of an hour are what records count: keep them as long as records or longer", k.Quarters, k.Records)
	case k.Days.shorterThan(k.Quarters):
		return fmt.Errorf("setting keep.days is %q and keep.quarters %q: days are sums of quarters of an hour: keep them as long or longer", k.Days, k.Quarters)
	}
	return nil
}

// String names the periods, for people.
func (k Keep) String() string {
	return fmt.Sprintf("comments %s, records %s, quarters %s, days %s", k.Comments, k.Records, k.Quarters, k.Days)
}

// Limits returns the instants before which nothing is kept.
func (k Keep) Limits(now time.Time) Limits {
	return Limits{
		Comments: k.Comments.Before(now), Records: k.Records.Before(now),
		Quarters: k.Quarters.Before(now), Days: k.Days.Before(now),
	}
}

// Limits are instants before which nothing is kept; the zero Time keeps all.
type Limits struct {
	Comments, Records, Quarters, Days time.Time
}

// Refused returns the instant before which refused payloads are not kept: they may
// hold comments.
func (l Limits) Refused() time.Time {
	if l.Comments.After(l.Records) {
		return l.Comments
	}
	return l.Records
}

// MarshalJSON leaves out what is kept forever.
func (l Limits) MarshalJSON() ([]byte, error) {
	out := make(map[string]time.Time)
	for name, at := range map[string]time.Time{"comments": l.Comments, "records": l.Records, "quarters": l.Quarters, "days": l.Days} {
		if !at.IsZero() {
			out[name] = at.UTC().Truncate(time.Second)
		}
	}
	return json.Marshal(out)
}
