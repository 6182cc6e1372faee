-- What wrk sends to storage: EG_MODE is get (one path) or range (pieces of one path at random offsets).
local mode, base, token = os.getenv("EG_MODE"), os.getenv("EG_BASE"), os.getenv("EG_BENCH_TOKEN")
local size, piece = tonumber(os.getenv("EG_SIZE") or 0), tonumber(os.getenv("EG_PIECE") or 0)
local threads = 0

function setup(thread)
  thread:set("id", threads)
  threads = threads + 1
end

local headers

function init(args)
  headers = { ["x-ms-version"] = "2023-11-03" }
  if token and token ~= "" then headers["Authorization"] = "Bearer " .. token end
  math.randomseed(os.time() + id * 7919)
end

function request()
  if mode == "range" then
    local first = math.random(0, size - piece)
    headers["Range"] = string.format("bytes=%d-%d", first, first + piece - 1)
  end
  if mode == "footer" then headers["Range"] = string.format("bytes=%d-%d", size - piece, size - 1) end
  return wrk.format("GET", base, headers)
end
