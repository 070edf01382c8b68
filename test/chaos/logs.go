package main

import (
	"bufio"
	"os"
	"strings"
)

// eachLine calls use with each line of a file; none where it can't be read.
func eachLine(file string, use func(string)) {
	f, err := os.Open(file)
	if err != nil {
		return
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		use(lines.Text())
	}
}

// tail is the end of a file, on one line.
func tail(file string, bytes int) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	data = data[max(0, len(data)-bytes):]
	return strings.ReplaceAll(strings.TrimSpace(string(data)), "\n", " ⏎ ")
}
