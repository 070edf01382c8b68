package doctor

import "fmt"

var accountChecks = []check{
	whole("account_storage", accountStorage),
	whole("account_consumers", accountConsumers),
}

func accountStorage(s Snapshot) verdict {
	if s.Account.Answer != Here {
		return verdict{} // told by jetstream_on
	}
	text, worst, over := "", OK, ""
	for _, t := range s.Account.Tiers {
		if text != "" {
			text += "; "
		}
		text += tierText(t)
		if level := levelOf(percent(t.Store, t.MaxStore), fillWarn, fillBad); level != OK && worst != Problem {
			worst, over = level, tierText(t)
		}
	}
	t := trouble{over, "when it is full, publishers are refused", "raise the account's max_file in the server's configuration or JWT; then `hogcast setup` shares it out anew"}
	switch worst {
	case Problem:
		return problem(t)
	case Warning:
		return warning(t)
	}
	return noted(text)
}

func tierText(t Tier) string {
	name := ""
	if t.Name != "" {
		name = t.Name + ": "
	}
	if t.MaxStore <= 0 {
		return name + size(t.Store) + " stored, no limit but the servers'"
	}
	return fmt.Sprintf("%s%s of %s stored (%d %%)", name, size(t.Store), size(t.MaxStore), percent(t.Store, t.MaxStore))
}

func accountConsumers(s Snapshot) verdict {
	for _, t := range s.Account.Tiers {
		if t.MaxConsumers > 0 && t.Consumers+drainRoom > t.MaxConsumers {
			return warning(trouble{
				fmt.Sprintf("%d of %d consumers are used", t.Consumers, t.MaxConsumers),
				fmt.Sprintf("what is held comes back through up to %d consumers", drainRoom),
				"raise the account's max_consumers",
			})
		}
	}
	if s.Account.Answer != Here {
		return verdict{}
	}
	return well("room for consumers")
}
