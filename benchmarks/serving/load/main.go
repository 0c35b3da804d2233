// Load asks an HTTP server at a fixed rate, whether or not it keeps up, and prints what the callers saw as JSON.
//
// Each request has a time at which it should be sent. Where no connection is free then, it waits, and its latency counts
// from the time at which it should have been sent. So a server that stalls is charged for every request that the stall
// delayed, not for one (the correction of what Gil Tene calls coordinated omission). With -rate 0 every connection asks
// again as soon as it has its answer: that finds the most that a server can do, and its latencies say little.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"
)

type result struct {
	Requests      int     `json:"requests"`
	Failed        int     `json:"failed"`
	FirstFailure  string  `json:"first_failure"`
	Seconds       float64 `json:"seconds"`
	Rate          float64 `json:"requests_per_second"`
	P50           float64 `json:"p50_ms"`
	P90           float64 `json:"p90_ms"`
	P99           float64 `json:"p99_ms"`
	P999          float64 `json:"p999_ms"`
	Most          float64 `json:"most_ms"`
	UncorrectedMs float64 `json:"uncorrected_p99_ms"`
	LateMs        float64 `json:"generator_late_p99_ms"`
}

type sample struct {
	latency, service, late time.Duration
	failure                string
}

func main() {
	address := flag.String("url", "", "URL that is asked by POST")
	bodies := flag.String("bodies", "", "file with one request body a line; they are sent in turn")
	rate := flag.Float64("rate", 0, "requests a second; 0 asks as fast as answers come")
	seconds := flag.Float64("seconds", 10, "how long is measured")
	warm := flag.Float64("warm", 2, "how long is asked before, unmeasured")
	connections := flag.Int("connections", 32, "how many connections are kept open")
	seed := flag.Int64("seed", 1, "seed of the gaps between requests, which are exponential")
	flag.Parse()
	requests, host, err := prepare(*address, *bodies)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	run(requests, host, *rate, *warm, *connections, *seed)
	encoder := json.NewEncoder(os.Stdout)
	if err := encoder.Encode(summarise(run(requests, host, *rate, *seconds, *connections, *seed+1), *seconds)); err != nil {
		os.Exit(2)
	}
}

// prepare returns the bytes of every request and the address to connect to.
func prepare(address, path string) ([][]byte, string, error) {
	target, err := url.Parse(address)
	if err != nil || target.Host == "" {
		return nil, "", fmt.Errorf("-url: %q is no URL", address)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer file.Close()
	var requests [][]byte
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
			target.RequestURI(), target.Host, len(lines.Bytes()))
		requests = append(requests, append([]byte(head), lines.Bytes()...))
	}
	if len(requests) == 0 {
		return nil, "", fmt.Errorf("%s: no request body", path)
	}
	return requests, target.Host, lines.Err()
}

// run asks for so many seconds and returns a sample a request.
func run(requests [][]byte, host string, rate, seconds float64, connections int, seed int64) []sample {
	if seconds <= 0 {
		return nil
	}
	begin := time.Now()
	end := begin.Add(time.Duration(seconds * float64(time.Second)))
	var due chan time.Time
	if rate > 0 {
		due = make(chan time.Time, int(rate*seconds)+1024)
		go schedule(due, begin, end, rate, seed)
	}
	all := make([][]sample, connections)
	var group sync.WaitGroup
	for c := range connections {
		group.Add(1)
		go func() {
			defer group.Done()
			all[c] = ask(requests, host, due, end, c)
		}()
	}
	group.Wait()
	return slices.Concat(all...)
}

// schedule puts the time of every request on the channel when it has come.
func schedule(due chan<- time.Time, begin, end time.Time, rate float64, seed int64) {
	defer close(due)
	gaps := rand.New(rand.NewSource(seed))
	for at := begin; at.Before(end); at = at.Add(time.Duration(gaps.ExpFloat64() / rate * float64(time.Second))) {
		if wait := time.Until(at); wait > 50*time.Microsecond {
			time.Sleep(wait)
		}
		due <- at
	}
}

// ask uses one connection until the end, and opens it again after a failure.
func ask(requests [][]byte, host string, due <-chan time.Time, end time.Time, turn int) []sample {
	var samples []sample
	var connection net.Conn
	var reader *bufio.Reader
	for {
		now := time.Now()
		intended := now
		if due != nil {
			at, open := <-due
			if !open {
				break
			}
			intended, now = at, time.Now()
		} else if now.After(end) {
			break
		}
		turn++
		failure := ""
		if connection == nil {
			opened, err := net.DialTimeout("tcp", host, 5*time.Second)
			if err != nil {
				failure = err.Error()
				time.Sleep(5 * time.Millisecond)
			} else {
				connection, reader = opened, bufio.NewReaderSize(opened, 64<<10)
			}
		}
		if connection != nil {
			failure = exchange(connection, reader, requests[turn%len(requests)])
			if failure != "" {
				connection.Close()
				connection = nil
			}
		}
		done := time.Now()
		samples = append(samples, sample{done.Sub(intended), done.Sub(now), now.Sub(intended), failure})
	}
	if connection != nil {
		connection.Close()
	}
	return samples
}

// exchange sends one request and returns why it failed, or nothing.
func exchange(connection net.Conn, reader *bufio.Reader, request []byte) string {
	if err := connection.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err.Error()
	}
	if _, err := connection.Write(request); err != nil {
		return err.Error()
	}
	answer, err := http.ReadResponse(reader, nil)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 200))
		return fmt.Sprintf("%s: %s", answer.Status, text)
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err.Error()
	}
	return ""
}

func summarise(samples []sample, seconds float64) result {
	found := result{Requests: len(samples), Seconds: seconds}
	var latencies, services, late []time.Duration
	for _, one := range samples {
		if one.failure != "" {
			found.Failed++
			found.FirstFailure = one.failure
			continue
		}
		latencies = append(latencies, one.latency)
		services = append(services, one.service)
		late = append(late, one.late)
	}
	found.Rate = float64(len(latencies)) / seconds
	for _, list := range [][]time.Duration{latencies, services, late} {
		slices.Sort(list)
	}
	found.P50, found.P90 = at(latencies, 0.5), at(latencies, 0.9)
	found.P99, found.P999, found.Most = at(latencies, 0.99), at(latencies, 0.999), at(latencies, 1)
	found.UncorrectedMs, found.LateMs = at(services, 0.99), at(late, 0.99)
	return found
}

// at returns a quantile of sorted durations in milliseconds.
func at(sorted []time.Duration, quantile float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	place := min(len(sorted)-1, int(quantile*float64(len(sorted))))
	return float64(sorted[place].Microseconds()) / 1000
}
