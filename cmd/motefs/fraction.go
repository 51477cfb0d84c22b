package main

import (
	"errors"
	"strconv"
	"strings"
)

// fraction is a flag of a part of a whole, 0 to 1.
type fraction float64

// Set reads a number, or one of hundredths with a percent sign.
func (f *fraction) Set(text string) error {
	digits, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(digits, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		return errors.New("give a part of a whole, such as 0.01 or 1%")
	}
	*f = fraction(v)
	return nil
}

// String and Type are for the help.
func (f *fraction) String() string { return strconv.FormatFloat(float64(*f), 'g', -1, 64) }

// Type is the name of the value in the help.
func (f *fraction) Type() string { return "PART" }
