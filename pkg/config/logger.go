package config

import (
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// NewLogger makes the program's one logger: keys ts (ISO 8601, UTC, ms),
// level, msg, logger; nothing is sampled. An unknown level is info.
func NewLogger(c Log, stderr io.Writer, isTerminal bool) *zap.Logger {
	level, err := zapcore.ParseLevel(c.Level)
	if err != nil {
		level = zapcore.InfoLevel
	}
	sink := zapcore.Lock(zapcore.AddSync(stderr))
	return zap.New(zapcore.NewCore(c.encoder(isTerminal), sink, level), zap.ErrorOutput(sink))
}

func (c Log) encoder(isTerminal bool) zapcore.Encoder {
	keys := zapcore.EncoderConfig{
		TimeKey: "ts", LevelKey: "level", MessageKey: "msg", NameKey: "logger",
		LineEnding:     zapcore.DefaultLineEnding,
		EncodeTime:     utcTime,
		EncodeLevel:    zapcore.LowercaseLevelEncoder,
		EncodeName:     zapcore.FullNameEncoder,
		EncodeDuration: zapcore.StringDurationEncoder,
	}
	if c.Format == "console" || c.Format != "json" && isTerminal {
		return zapcore.NewConsoleEncoder(keys)
	}
	return zapcore.NewJSONEncoder(keys)
}

func utcTime(t time.Time, enc zapcore.PrimitiveArrayEncoder) {
	enc.AppendString(t.UTC().Format("2006-01-02T15:04:05.000Z"))
}
