-- Arguments: a file of request paths, one a line; how many requests to send at a
-- time. Batches are made before the clock starts, so that asking costs next to
-- nothing.
local batches, turn = {}, 0

function init(args)
	local depth, batch = tonumber(args[2]), {}
	for path in io.lines(args[1]) do
		batch[#batch + 1] = wrk.format("GET", path)
		if #batch == depth then
			batches[#batches + 1] = table.concat(batch)
			batch = {}
		end
	end
	if #batches == 0 then
		batches[1] = table.concat(batch)
	end
end

function request()
	turn = turn % #batches + 1
	return batches[turn]
end

function done(summary, latency, requests)
	local failed = 0
	for _, n in pairs(summary.errors) do
		failed = failed + n
	end
	io.write(string.format('counted {"Requests": %d, "Micros": %d, "Failed": %d}\n', summary.requests, summary.duration, failed))
end
