package history

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// civil is a time as it is written: of a calendar, with an offset or without.
type civil struct {
	year, month, day        int
	hour, minute, sec, nano int
	offset                  *int          // seconds east of UTC; nil: not written
	within                  time.Duration // how finely it is written
	unix                    bool          // it was a number of seconds or milliseconds since 1970
	at                      time.Time     // then
}

// errNoTime says that there is a day and no time of day.
var errNoTime = fmt.Errorf("it has no time of day")

// parseTime reads a time: ISO 8601 and what spreadsheets write, French or English
// (31/12/2024 15h04, 31.12.2024 15:04:05, 12/31/2024 3:04 PM), or a number of
// seconds or milliseconds since 1970. order says what 03/04/2024 means.
func parseTime(s, order string) (civil, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	if isDigits(s) && (len(s) == 10 || len(s) == 13) {
		n, err := strconv.ParseInt(s, 10, 64)
		if len(s) == 10 {
			return civil{unix: true, at: time.Unix(n, 0), within: time.Second}, err
		}
		return civil{unix: true, at: time.UnixMilli(n), within: time.Millisecond}, err
	}
	var c civil
	rest, err := c.date(s, order)
	if err != nil {
		return c, err
	}
	rest = strings.TrimLeftFunc(rest, func(r rune) bool { return !unicode.IsDigit(r) && r != '+' })
	if rest == "" || rest[0] == '+' {
		return c, errNoTime
	}
	if rest, err = c.clock(rest); err != nil {
		return c, err
	}
	return c, c.zone(strings.TrimSpace(rest))
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// number reads the digits with which s begins.
func number(s string) (n, digits int, rest string) {
	for digits < len(s) && digits < 9 && s[digits] >= '0' && s[digits] <= '9' {
		n = n*10 + int(s[digits]-'0')
		digits++
	}
	return n, digits, s[digits:]
}

// date reads the date.
func (c *civil) date(s, order string) (rest string, err error) {
	a, la, rest := number(s)
	if la == 8 {
		c.year, c.month, c.day = a/10000, a/100%100, a%100
		return rest, c.valid()
	}
	bad := fmt.Errorf("no date and time is known that looks like it")
	if la == 0 || rest == "" || strings.IndexByte("-/.", rest[0]) < 0 {
		return "", bad
	}
	sep := rest[0]
	b, lb, rest := number(rest[1:])
	if lb == 0 || rest == "" || rest[0] != sep {
		return "", bad
	}
	d, ld, rest := number(rest[1:])
	switch {
	case la == 4 && ld > 0:
		c.year, c.month, c.day = a, b, d
	case ld != 4:
		return "", fmt.Errorf("its year is not written with four digits")
	case sep == '.' || order == DayFirst:
		c.day, c.month, c.year = a, b, d
	default:
		c.month, c.day, c.year = a, b, d
	}
	return rest, c.valid()
}

func (c *civil) valid() error {
	t := time.Date(c.year, time.Month(c.month), c.day, 0, 0, 0, 0, time.UTC)
	if c.month < 1 || c.month > 12 || t.Day() != c.day {
		return fmt.Errorf("there is no day %d in month %d of %d", c.day, c.month, c.year)
	}
	return nil
}

// clock reads the time of day.
func (c *civil) clock(s string) (rest string, err error) {
	bad := fmt.Errorf("its time of day is not hours and minutes")
	h, lh, rest := number(s)
	if lh < 1 || lh > 2 || rest == "" || strings.IndexByte(":h.", rest[0]) < 0 {
		return "", bad
	}
	rest = strings.TrimLeft(rest[1:], " ")
	m, lm, rest := number(rest)
	if lm != 2 {
		return "", bad
	}
	c.within = time.Minute
	rest = strings.TrimPrefix(rest, "m")
	if rest != "" && (rest[0] == ':' || rest[0] == '.') {
		var ls int
		if c.sec, ls, rest = number(rest[1:]); ls != 2 {
			return "", fmt.Errorf("its seconds are not two digits")
		}
		c.within = time.Second
		if rest != "" && (rest[0] == '.' || rest[0] == ',') {
			f, lf, after := number(rest[1:])
			if lf == 0 {
				return "", fmt.Errorf("its seconds end in a comma")
			}
			rest = strings.TrimLeft(after, "0123456789")
			for range 9 - lf {
				f *= 10
			}
			c.nano = f
			c.within = max(time.Millisecond, time.Second/[...]time.Duration{1, 10, 100, 1000}[min(lf, 3)])
		}
	}
	rest = strings.TrimSpace(rest)
	for _, half := range []struct {
		word string
		add  int
	}{{"am", 0}, {"a.m.", 0}, {"pm", 12}, {"p.m.", 12}} {
		if after, ok := strings.CutPrefix(rest, half.word); ok {
			if h < 1 || h > 12 {
				return "", fmt.Errorf("hour %d is no hour with %s", h, half.word)
			}
			h, rest = h%12+half.add, after
			break
		}
	}
	if h > 23 || m > 59 || c.sec > 59 {
		return "", fmt.Errorf("there is no time %02d:%02d:%02d", h, m, c.sec)
	}
	c.hour, c.minute = h, m
	return rest, nil
}

// zone reads the offset, if there is one.
func (c *civil) zone(s string) error {
	switch s {
	case "":
		return nil
	case "z", "utc", "gmt":
		c.offset = new(int)
		return nil
	}
	s = strings.TrimPrefix(strings.TrimPrefix(s, "utc"), "gmt")
	sign := 1
	switch {
	case strings.HasPrefix(s, "-"):
		sign = -1
	case !strings.HasPrefix(s, "+"):
		return fmt.Errorf("%q after it is no offset such as +02:00", s)
	}
	digits := strings.Replace(s[1:], ":", "", 1)
	if !isDigits(digits) || len(digits) != 2 && len(digits) != 4 {
		return fmt.Errorf("%q after it is no offset such as +02:00", s)
	}
	n, _, _ := number((digits + "00")[:4])
	if n/100 > 15 || n%100 > 59 {
		return fmt.Errorf("%q after it is no offset such as +02:00", s)
	}
	offset := sign * (n/100*3600 + n%100*60)
	c.offset = &offset
	return nil
}

// A zoneError says that a time without an offset is no one instant.
type zoneError struct {
	twice bool
	why   string
}

// Error tells why.
func (e *zoneError) Error() string { return e.why }

// in returns the instant, in a zone when no offset is written.
func (c civil) in(zone *time.Location) (time.Time, error) {
	if c.unix {
		return c.at, nil
	}
	wall := time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.sec, c.nano, time.UTC)
	if c.offset != nil {
		return wall.Add(-time.Duration(*c.offset) * time.Second), nil
	}
	// A zone shows this time at the instants wall−offset, for an offset that it
	// has around then.
	var found []time.Time
	for _, near := range []time.Duration{-26 * time.Hour, 0, 26 * time.Hour} {
		_, offset := wall.Add(near).In(zone).Zone()
		at := wall.Add(-time.Duration(offset) * time.Second)
		if _, really := at.In(zone).Zone(); really == offset && (len(found) == 0 || !found[len(found)-1].Equal(at)) {
			found = append(found, at)
		}
	}
	text := wall.Format("2006-01-02 15:04:05")
	switch {
	case len(found) == 0:
		return time.Time{}, &zoneError{why: fmt.Sprintf("%s did not exist in %s, where clocks were put forward over it", text, zone)}
	case len(found) > 1 && !found[0].Equal(found[len(found)-1]):
		return time.Time{}, &zoneError{twice: true, why: fmt.Sprintf("%s happened twice in %s, at %s and at %s: write the offset",
			text, zone, found[0].In(zone).Format("-07:00"), found[len(found)-1].In(zone).Format("-07:00"))}
	}
	return found[0], nil
}

// orderSeen gathers what a file's dates say of the order of day and month.
type orderSeen struct{ day, month, open bool }

// note looks at a date such as 03/04/2024; others say nothing.
func (o *orderSeen) note(s string) {
	a, la, rest := number(strings.TrimSpace(s))
	if la < 1 || la > 2 || rest == "" || rest[0] != '/' && rest[0] != '-' {
		return
	}
	b, lb, rest := number(rest[1:])
	if lb < 1 || lb > 2 || rest == "" {
		return
	}
	switch _, ly, _ := number(rest[1:]); {
	case ly != 4:
	case a > 12 && b <= 12:
		o.day = true
	case b > 12 && a <= 12:
		o.month = true
	default:
		o.open = true
	}
}

// order decides.
func (o *orderSeen) order(example string) (string, error) {
	switch {
	case o.day && o.month:
		return "", fmt.Errorf("some dates have the day first and some the month: say which is right with --dates=dmy or --dates=mdy, and the others are refused")
	case o.month:
		return MonthFirst, nil
	case o.day || !o.open:
		return DayFirst, nil
	}
	return "", fmt.Errorf("no date shows whether the day or the month comes first (for instance %q): say it with --dates=dmy or --dates=mdy", example)
}
