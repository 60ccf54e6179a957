-- Where Turnout steers: JSON over HTTP, with a bearer token, on loopback or a unix socket.
--
--   GET    /agents                     nginx's version, every agent's generation
--   GET    /agents/NAME                what stands: generation, who set it, the assignment, the candidate's share now
--   PUT    /agents/NAME?if_gen=G&by=W  replace it, if its generation is G (0: there is none); else 409 with the present one
--   PATCH  /agents/NAME?candidate_bp=N&if_gen=G&by=W   change the share only; without if_gen whatever stands
--   DELETE /agents/NAME                forget it
--   GET    /agents/NAME/counts         cumulative counts and requests in flight, per version
--   POST   /agents/NAME/cut?version=V  end what is in flight on a version
--   POST   /alive                      {"agents": [NAME, ...]}: put the dead-man switches off once more
--
-- What is answered to PUT and PATCH is read back from the memory that every worker reads at its next request.

local assignments = require "turnout_assignment"
local bit = require "bit"
local cjson = require "cjson.safe"
local ffi = require "ffi"

local _M = {}

local AGENTS_MAX = 1000
local LOCK_S, LOCK_TRIES, LOCK_WAIT_S = 5, 100, 0.01
local HTTP_OK, CONFLICT = 200, 409

ffi.cdef [[
typedef struct turnout_file turnout_file_t;
int fileno(turnout_file_t *file);
int fsync(int fd);
]]

local standing = ngx.shared.turnout
local counts = ngx.shared.turnout_counts
local in_flight = ngx.shared.turnout_in_flight
local secret, state_file

-- An answer: its status, and a body that is encoded unless it is text already.
local function trouble(status, detail)
    return status, {detail = detail}
end

-- The disk -------------------------------------------------------------------------------------------------------------

-- Everything that stands, for the next start. Returns what is wrong, or nil.
local function save(index)
    local parts = {}
    for name in pairs(index) do
        parts[#parts + 1] = cjson.encode(name) .. ":" .. standing:get("agent/" .. name)
    end
    local temporary = state_file .. ".new"
    local file, problem = io.open(temporary, "w")
    if not file then
        return problem
    end
    local written = file:write("{" .. table.concat(parts, ",") .. "}") and file:flush()
    written = written and ffi.C.fsync(ffi.C.fileno(ffi.cast("turnout_file_t *", file))) == 0
    file:close()
    if not written then
        return "it could not be written"
    end
    local _, refused = os.rename(temporary, state_file)
    return refused
end

-- The same, and remembers whether it is still to be done, and why.
local function keep(index)
    local problem = save(index)
    if problem then
        standing:safe_set("unsaved", problem)
    else
        standing:delete("unsaved")
    end
    return problem
end

local function load_state()
    local file = io.open(state_file, "r")
    if not file then
        return ngx.log(ngx.NOTICE, "turnout begins with no agents: there is no ", state_file)
    end
    local state = cjson.decode(file:read("*a"))
    file:close()
    if type(state) ~= "table" then
        return ngx.log(ngx.ERR, "turnout begins with no agents: ", state_file, " is broken")
    end
    local index = {}
    for name, record in pairs(state) do
        if type(record) == "table" and not assignments.fault(record.assignment) and tonumber(record.generation) then
            standing:safe_set("agent/" .. name, cjson.encode(record))
            index[name] = record.generation
        else
            ngx.log(ngx.ERR, "turnout begins without ", name, ": what ", state_file, " says of it is broken")
        end
    end
    standing:safe_set("index", next(index) and cjson.encode(index) or "{}")
    standing:incr("revision", 1, 0)
end

-- A path relative to nginx's prefix (-p), as nginx itself takes them.
local function path_of(path)
    return path:sub(1, 1) == "/" and path or ngx.config.prefix() .. path
end

-- Called by the master at a start and at a reload. Its shared memory is new at a start only.
function _M.init(options)
    local token_file = path_of(options.token_file)
    local file = assert(io.open(token_file, "r"), "turnout needs a token in " .. token_file)
    secret = (file:read("*l") or ""):match("^%s*(.-)%s*$")
    file:close()
    assert(#secret >= 16, "turnout's token is to have 16 characters or more: " .. token_file)
    state_file = path_of(options.state_file)
    if standing:add("epoch", string.format("%d-%d", ngx.now() * 1000, ngx.worker.pid() or 0)) then
        load_state()
    end
end

-- What stands ----------------------------------------------------------------------------------------------------------

local function turnout()
    return require "turnout"
end

-- What stands of an agent, as the workers read it, and why a restart would not bring it back, if it would not.
local function told(name)
    local record, text = turnout().record(name)
    if not record then
        return 404, {detail = "no such agent", generation = 0}
    end
    local share_bp = turnout().share(name, record.assignment)
    local unsaved = standing:get("unsaved")
    local why = unsaved and ',"unsaved":' .. cjson.encode(unsaved) or ""
    return HTTP_OK, string.format('{"share_bp":%d,"record":%s%s}', share_bp, text, why)
end

-- One change at a time, over all workers.
local function locked(change)
    for _ = 1, LOCK_TRIES do
        if standing:add("lock", true, LOCK_S) then
            local done, status, body = pcall(change)
            standing:delete("lock")
            if not done then
                error(status)
            end
            return status, body
        end
        ngx.sleep(LOCK_WAIT_S)
    end
    return trouble(503, "busy")
end

local function renew(name, assignment)
    if assignment.dead_man_s then
        standing:safe_set("alive/" .. name, true, assignment.dead_man_s)
    end
end

-- Replaces what stands. The share and the versions change at once, with `revision`.
local function put(name, text, assignment, known, index, by)
    local generation = (known and known.generation or 0) + 1
    local record = string.format('{"generation":%d,"by":%s,"assignment":%s}', generation, cjson.encode(by), text)
    index[name] = generation
    local kept, problem = standing:safe_set("agent/" .. name, record)
    kept = kept and standing:safe_set("index", cjson.encode(index))
    if not kept then
        return trouble(507, "lua_shared_dict turnout is full: " .. (problem or "no memory"))
    end
    renew(name, assignment)
    standing:incr("revision", 1, 0)
    local unsaved = keep(index)
    if unsaved then
        ngx.log(ngx.ERR, "turnout's state is not saved for a restart: ", unsaved)
    end
    return told(name)
end

-- `make` gives the new assignment, as text and as a table; or nil, a status and why not.
local function change(name, if_gen, by, make)
    return locked(function()
        local known = turnout().record(name)
        local generation = known and known.generation or 0
        if if_gen and if_gen ~= generation then
            return CONFLICT, {detail = "it has changed", generation = generation, by = known and known.by or nil}
        end
        local text, assignment, why = make(known)
        if not text then
            return trouble(assignment, why)
        end
        if known and cjson.encode(known.assignment) == cjson.encode(assignment) and known.by == by then
            renew(name, assignment)
            return told(name)
        end
        local index = cjson.decode(standing:get("index") or "{}")
        return put(name, text, assignment, known, index, by)
    end)
end

-- What the disk did not take is saved once it does, or a restart would bring back a share that was taken away.
function _M.save_again()
    if standing:get("unsaved") then
        locked(function()
            keep(cjson.decode(standing:get("index") or "{}"))
            return HTTP_OK
        end)
    end
end

local function forget(name)
    return locked(function()
        local index = cjson.decode(standing:get("index") or "{}")
        index[name] = nil
        standing:safe_set("index", next(index) and cjson.encode(index) or "{}")
        standing:delete("agent/" .. name)
        standing:incr("revision", 1, 0)
        local unsaved = keep(index)
        return HTTP_OK, {unsaved = unsaved}
    end)
end

-- Counts ---------------------------------------------------------------------------------------------------------------

-- The workers that live; the slots of those that do not are given back.
local function workers()
    local living = {}
    for slot = 1, turnout().WORKERS_MAX do
        local key = "worker/" .. slot
        local worker = in_flight:get(key)
        if worker and turnout().lives(worker) then
            living[#living + 1] = worker
        elseif worker and standing:add("lock", true, LOCK_S) then
            if in_flight:get(key) == worker then
                in_flight:delete(key)
            end
            standing:delete("lock")
        end
    end
    return living
end

local function counted(name, version, wanted, living)
    local prefix, open = name .. "/" .. version .. "/", 0
    local function of(what)
        return counts:get(prefix .. what) or 0
    end
    for _, worker in ipairs(living) do
        open = open + (in_flight:get(worker .. "/" .. name .. "/" .. version) or 0)
    end
    local found = {requests = of("requests"), errors = of("errors"), in_flight = open, outcomes = {}, latency = {}}
    for _, indicator in ipairs(wanted.indicators or {}) do
        local key = "outcome/" .. indicator
        found.outcomes[indicator] = {of(key .. "/requests"), of(key .. "/total")}
    end
    for _, limit_s in ipairs(wanted.latency_limits_s or {}) do
        local limit = string.format("%.10g", limit_s)
        found.latency[limit] = {of("latency/" .. limit .. "/requests"), of("latency/" .. limit .. "/slow")}
    end
    return found
end

local function all_counts(name)
    local record = turnout().record(name)
    if not record then
        return trouble(404, "no such agent")
    end
    local wanted, versions, living = record.assignment, {}, workers()
    local names = {wanted.stable.name, wanted.candidate and wanted.candidate.name or nil}
    for _, draining in ipairs(wanted.draining or {}) do
        names[#names + 1] = draining
    end
    for _, version in ipairs(names) do
        versions[version] = counted(name, version, wanted, living)
    end
    return HTTP_OK, {epoch = turnout().epoch(), versions = versions}
end

-- Requests -------------------------------------------------------------------------------------------------------------

-- Compares in a time that tells nothing of how much was right.
local function is_allowed()
    local given = (ngx.var.http_authorization or ""):match("^[Bb]earer (.+)$") or ""
    local one, other, difference = ngx.sha1_bin(given), ngx.sha1_bin(secret), 0
    for i = 1, #one do
        difference = bit.bor(difference, bit.bxor(one:byte(i), other:byte(i)))
    end
    return difference == 0
end

local function put_whole(name, arguments)
    ngx.req.read_body()
    local text = ngx.req.get_body_data() or ""
    return change(name, tonumber(arguments.if_gen) or 0, arguments.by or "", function(known)
        local wanted, problem = cjson.decode(text)
        local why = wanted == nil and problem or assignments.fault(wanted)
        if not why and not known then
            local index, agents = cjson.decode(standing:get("index") or "{}"), 0
            for _ in pairs(index) do
                agents = agents + 1
            end
            why = agents >= AGENTS_MAX and "there are too many agents"
        end
        if why then
            return nil, 400, why
        end
        return text, wanted
    end)
end

local function put_share(name, arguments)
    return change(name, tonumber(arguments.if_gen), arguments.by or "somebody", function(known)
        local share_bp = tonumber(arguments.candidate_bp)
        if not known then
            return nil, 404, "no such agent"
        end
        if not assignments.is_share(share_bp) or share_bp > 0 and not known.assignment.candidate then
            return nil, 400, "candidate_bp is not valid"
        end
        local wanted = cjson.decode(cjson.encode(known.assignment))
        wanted.candidate_bp = share_bp
        return cjson.encode(wanted), wanted
    end)
end

local function keep_alive()
    ngx.req.read_body()
    local told_of = cjson.decode(ngx.req.get_body_data() or "")
    for i, name in ipairs(type(told_of) == "table" and type(told_of.agents) == "table" and told_of.agents or {}) do
        local record = i <= AGENTS_MAX and assignments.is_text(name) and turnout().record(name)
        if record then
            renew(name, record.assignment)
        end
    end
    return HTTP_OK, {}
end

local function cut(name, arguments)
    if not assignments.is_text(arguments.version) then
        return trouble(400, "version is not valid")
    end
    standing:safe_set("cut/" .. name .. "/" .. arguments.version, ngx.now(), 60)
    standing:incr("cuts", 1, 0)
    return HTTP_OK, {}
end

local function answer()
    local arguments = ngx.req.get_uri_args(16)
    local name, rest = ngx.var.uri:match("^/agents/([a-z0-9-]+)(.*)$")
    local asked = ngx.req.get_method() .. " " .. (name and "/agents/NAME" .. rest or ngx.var.uri)
    local actions = {
        ["GET /agents"] = function()
            local version = ngx.config.nginx_version
            local nginx = string.format("%d.%d.%d", version / 1e6, version / 1e3 % 1e3, version % 1e3)
            return HTTP_OK, string.format('{"nginx":"%s","agents":%s}', nginx, standing:get("index") or "{}")
        end,
        ["GET /agents/NAME"] = told,
        ["PUT /agents/NAME"] = put_whole,
        ["PATCH /agents/NAME"] = put_share,
        ["DELETE /agents/NAME"] = forget,
        ["GET /agents/NAME/counts"] = all_counts,
        ["POST /agents/NAME/cut"] = cut,
        ["POST /alive"] = keep_alive,
    }
    if not actions[asked] then
        return trouble(404, "there is nothing at " .. asked)
    end
    return actions[asked](name, arguments)
end

function _M.serve()
    local status, body = 401, {detail = "a bearer token is wanted, and it is another one"}
    if is_allowed() then
        status, body = answer()
    end
    ngx.status = status
    ngx.header["content-type"] = "application/json"
    ngx.print(type(body) == "string" and body or cjson.encode(body))
end

return _M
