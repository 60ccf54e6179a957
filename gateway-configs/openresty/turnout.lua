-- Guides requests to the stable or the candidate version of an agent, and counts what becomes of them.
--
-- What stands is in shared memory, so that all workers follow a change from their next request on; each worker keeps it
-- parsed, and looks at one number (`revision`) to see that it is still the newest. turnout_control.lua changes it.

local balancer = require "ngx.balancer"
local base = require "resty.core.base"
local cjson = require "cjson.safe"
local ffi = require "ffi"

local _M = {WHOLE_BP = 10000, WORKERS_MAX = 256}

local TICK_S = 0.2
local SAVE_AGAIN_S = 2
local ORCA = "endpoint-load-metrics"
local ORCA_BYTES_MAX = 8192
local HTTP = 0x50545448  -- "HTTP", which every request of nginx begins with
local SHUT_RDWR, EPERM = 2, 1

-- The beginnings of nginx's ngx_http_request_t and ngx_connection_t, the same in every release since 0.7.
ffi.cdef [[
typedef struct { void *data; void *read; void *write; int fd; } turnout_connection_t;
typedef struct { uint32_t signature; turnout_connection_t *connection; } turnout_request_t;
int shutdown(int fd, int how);
int kill(int pid, int signal);
]]

local standing = ngx.shared.turnout
local counts = ngx.shared.turnout_counts
local in_flight = ngx.shared.turnout_in_flight

local now, random = ngx.now, math.random
local agents, by_host, revision_seen = {}, {}, -1  -- this worker's copy
local open, cuts_seen, pid = {}, 0, 0  -- this worker's requests

-- What stands ----------------------------------------------------------------------------------------------------------

-- The generation after which the counters began anew: another one after a restart, the same one after a reload.
function _M.epoch()
    return (standing:get("epoch") or "") .. "-" .. (standing:get("evictions") or 0)
end

-- nil where nobody knows the agent, else what turnout_control.lua has written.
function _M.record(name)
    local text = standing:get("agent/" .. name)
    return text and cjson.decode(text), text
end

-- The candidate's share now, in basis points: nothing once the dead-man switch has fired.
function _M.share(name, assignment)
    if assignment.dead_man_s and not standing:get("alive/" .. name) then
        return 0
    end
    return assignment.candidate and assignment.candidate_bp or 0
end

local function peers_of(version)
    local peers = {}
    for i, endpoint in ipairs(version.peers) do
        local host, port = endpoint:match("^(.+):(%d+)$")
        peers[i] = {host, tonumber(port)}
    end
    return {name = version.name, peers = peers}
end

local function compile(name)
    local record = _M.record(name)
    if not record then
        return nil
    end
    local wanted = record.assignment
    local agent = {
        name = name, generation = record.generation, assignment = wanted, headers = {},
        prefix = wanted.path_prefix, retries = wanted.retries or 0, timeout_s = wanted.request_timeout_s,
        stable = peers_of(wanted.stable), candidate = wanted.candidate and peers_of(wanted.candidate),
        indicators = {}, limits_s = wanted.latency_limits_s or {},
    }
    for _, header in ipairs(wanted.headers or {}) do
        agent.headers["http_" .. header.name:lower():gsub("-", "_")] = header.value
    end
    for _, indicator in ipairs(wanted.indicators or {}) do
        agent.indicators[indicator] = true
    end
    table.sort(agent.limits_s)
    if wanted.stickiness then
        local header, cookie = wanted.stickiness.header, wanted.stickiness.cookie
        agent.session = header and "http_" .. header:lower():gsub("-", "_") or "cookie_" .. cookie
        agent.cookie = cookie
    end
    return agent
end

local function more_specific(one, other)
    if #one.prefix ~= #other.prefix then
        return #one.prefix > #other.prefix
    end
    local headers, others = #(one.assignment.headers or {}), #(other.assignment.headers or {})
    if headers ~= others then
        return headers > others
    end
    return one.name < other.name
end

local function catch_up()
    local revision = standing:get("revision") or 0
    if revision == revision_seen then
        return
    end
    local index = cjson.decode(standing:get("index") or "{}") or {}
    local fresh, hosts = {}, {}
    for name, generation in pairs(index) do
        local known = agents[name]
        local agent = known and known.generation == generation and known or compile(name)
        fresh[name] = agent
        for _, host in ipairs(agent and agent.assignment.hosts or {}) do
            host = host:lower()
            hosts[host] = hosts[host] or {}
            table.insert(hosts[host], agent)
        end
    end
    for _, claims in pairs(hosts) do
        table.sort(claims, more_specific)
    end
    agents, by_host, revision_seen = fresh, hosts, revision
end

-- Choosing -------------------------------------------------------------------------------------------------------------

-- The agents of the host: by its full name, else by the longest `*.` suffix, else those of `*`.
local function claims_of(host)
    local claims, rest = by_host[host], host
    while not claims and rest do
        rest = rest:match("^[^.]*%.(.+)$")
        claims = rest and by_host["*." .. rest]
    end
    return claims or by_host["*"] or {}
end

local function takes(agent, path)
    local prefix = agent.prefix
    if prefix ~= "/" and path ~= prefix and path:sub(1, #prefix + 1) ~= prefix .. "/" then
        return false
    end
    for variable, value in pairs(agent.headers) do
        if ngx.var[variable] ~= value then
            return false
        end
    end
    return true
end

-- A session's place from 0 to 9999. It never moves, so that a growing share only adds sessions.
local function place_of(session)
    local a, b, c, d = ngx.md5_bin(session):byte(1, 4)
    return (((a * 256 + b) * 256 + c) * 256 + d) % _M.WHOLE_BP
end

local function draw(request)
    local agent = request.agent
    local place = request.session and place_of(request.session) or random(0, _M.WHOLE_BP - 1)
    return place < _M.share(agent.name, agent.assignment) and agent.candidate or agent.stable
end

local function gauge(request, step)
    in_flight:incr(pid .. "/" .. request.agent.name .. "/" .. request.version.name, step, 0)
end

function _M.choose()
    catch_up()
    local path = ngx.var.uri
    for _, agent in ipairs(claims_of(ngx.var.host)) do
        if takes(agent, path) then
            local request = {agent = agent, attempts = 0, began = now(), pointer = base.get_request()}
            request.session = agent.session and ngx.var[agent.session]
            if request.session == "" then
                request.session = nil
            end
            if agent.cookie and not request.session then
                request.session = ngx.md5(pid .. ngx.var.request_id)
                request.sets_cookie = true
            end
            request.version = draw(request)
            gauge(request, 1)
            open[request] = true
            ngx.ctx.turnout = request
            return
        end
    end
    ngx.status = 404
    ngx.header["content-type"] = "text/plain"
    ngx.say("no agent takes this request")
    return ngx.exit(404)
end

-- Counting -------------------------------------------------------------------------------------------------------------

local function count(request, what, step)
    local key = request.agent.name .. "/" .. request.version.name .. "/" .. what
    local _, problem, evicted = counts:incr(key, step, 0)
    if problem then
        ngx.log(ngx.ERR, "turnout cannot count ", key, ": ", problem)
    end
    if evicted then  -- somebody's counts are lost
        standing:incr("evictions", 1, 0)
    end
end

-- Decides the limits that can be decided: all of them by an answer, else those that the wait has exceeded.
local function count_latency(request, waited_s, is_answer)
    local limits_s = request.agent.limits_s
    for i = (request.limits_decided or 0) + 1, #limits_s do
        local is_slow = waited_s > limits_s[i]
        if not is_slow and not is_answer then
            return
        end
        local name = string.format("latency/%.10g/", limits_s[i])
        count(request, name .. "requests", 1)
        count(request, name .. "slow", is_slow and 1 or 0)
        request.limits_decided = i
    end
end

local function count_outcome(request, name, value)
    if request.agent.indicators[name] and type(value) == "number" and value >= 0 and value < math.huge then
        count(request, "outcome/" .. name .. "/requests", 1)
        count(request, "outcome/" .. name .. "/total", value)
    end
end

-- ORCA (https://github.com/cncf/xds, orca_load_report.proto) in a header, as JSON or as text.
local function count_outcomes(request, report)
    local form, rest = report:match("^(%u+) (.*)$")
    if form == "JSON" then
        local told = cjson.decode(rest)
        local metrics = type(told) == "table" and told.named_metrics
        for name, value in pairs(type(metrics) == "table" and metrics or {}) do
            count_outcome(request, name, value)
        end
    elseif form == "TEXT" then
        local told = {}
        for name, value in rest:gmatch("named_metrics%.([^=,%s]+)%s*=%s*([^,%s]+)") do
            told[name] = tonumber(value)
        end
        for name, value in pairs(told) do
            count_outcome(request, name, value)
        end
    end
end

-- The phases of a request ----------------------------------------------------------------------------------------------

function _M.balance()
    local request = ngx.ctx.turnout
    local agent = request.agent
    request.attempts = request.attempts + 1
    if request.attempts == 1 then
        request.started = now()  -- the whole request is here
        if agent.retries > 0 then
            balancer.set_more_tries(agent.retries)
        end
    elseif agent.retries > 0 then  -- without retries nginx only replaces an idle connection that the agent had closed
        count(request, "requests", 1)
        count(request, "errors", 1)
        gauge(request, -1)
        request.version = draw(request)
        gauge(request, 1)
    end
    local peers = request.version.peers
    request.peer = request.peer and request.peer % #peers + 1 or random(#peers)
    local peer = peers[(request.peer - 1) % #peers + 1]
    if agent.timeout_s then
        balancer.set_timeouts(nil, agent.timeout_s, agent.timeout_s)
    end
    local ok, problem = balancer.set_current_peer(peer[1], peer[2])
    if not ok then
        ngx.log(ngx.ERR, "turnout cannot send to ", peer[1], ": ", problem)
        return ngx.exit(502)
    end
end

function _M.answered()
    local request = ngx.ctx.turnout
    if not request or request.answered then
        return
    end
    request.answered = true
    local header = ngx.header
    local report = header[ORCA]
    header[ORCA] = nil
    header[ORCA .. "-bin"] = nil
    if request.sets_cookie then
        local cookies = header["Set-Cookie"] or {}
        cookies = type(cookies) == "table" and cookies or {cookies}
        table.insert(cookies, request.agent.cookie .. "=" .. request.session .. "; Path=/; HttpOnly; SameSite=Lax")
        header["Set-Cookie"] = cookies
    end
    if request.attempts == 0 then
        return  -- refused before any version saw it
    end
    count(request, "requests", 1)
    if ngx.status >= 500 then
        count(request, "errors", 1)
    end
    if request.attempts == 1 then  -- the time of one that was tried again belongs to more than one version
        local is_answer = tonumber(ngx.var.upstream_header_time) ~= nil  -- and not nginx's own 502
        count_latency(request, now() - request.started, is_answer)
    end
    if type(report) == "string" and #report <= ORCA_BYTES_MAX then
        count_outcomes(request, report)
    end
end

function _M.ended()
    local request = ngx.ctx.turnout
    if not request then
        return
    end
    open[request] = nil
    gauge(request, -1)
    if not request.answered and request.attempts == 1 then  -- the client has left
        count_latency(request, now() - request.started, false)
    end
end

-- Ends a request by closing its client's connection, which nginx then sees. One of HTTP/2 is shared with others.
local function cut(request)
    local r = ffi.cast("turnout_request_t *", request.pointer)
    if r.signature == HTTP and not request.is_cut then
        ffi.C.shutdown(r.connection.fd, SHUT_RDWR)
        request.is_cut = true
    end
end

local function tick(premature)
    if premature then
        return
    end
    local cuts = standing:get("cuts") or 0
    for request in pairs(open) do
        local agent, waited_s = request.agent, now() - (request.started or now())
        if not request.answered and request.attempts == 1 then
            count_latency(request, waited_s, false)
        end
        local cut_at = cuts ~= cuts_seen and standing:get("cut/" .. agent.name .. "/" .. request.version.name)
        if cut_at and request.began <= cut_at or agent.timeout_s and request.answered and waited_s > agent.timeout_s then
            cut(request)
        end
    end
    cuts_seen = cuts
end

local function save_again(premature)
    if not premature then
        require("turnout_control").save_again()
    end
end

-- The start ------------------------------------------------------------------------------------------------------------

-- Whether a worker with this process id lives.
function _M.lives(worker)
    return ffi.C.kill(worker, 0) == 0 or ffi.errno() == EPERM
end

function _M.init(options)
    require("turnout_control").init(options)
end

function _M.init_worker()
    pid = ngx.worker.pid()
    math.randomseed(pid * 7919 + now() * 1000)
    cuts_seen = standing:get("cuts") or 0
    for _, key in ipairs(in_flight:get_keys(0)) do  -- of a worker that had this process id before
        if key:sub(1, #tostring(pid) + 1) == pid .. "/" then
            in_flight:delete(key)
        end
    end
    for slot = 1, _M.WORKERS_MAX do
        if in_flight:add("worker/" .. slot, pid) then
            break
        end
    end
    assert(ngx.timer.every(TICK_S, tick))
    if ngx.worker.id() == 0 then
        assert(ngx.timer.every(SAVE_AGAIN_S, save_again))
    end
end

return _M
