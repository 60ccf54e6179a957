-- What an assignment may look like: checked before it is written into the memory that every request reads.

local _M = {}

local WHOLE_BP = 10000
local ITEMS_MAX, TEXT_BYTES_MAX = 256, 1024

local function is_text(value)
    return type(value) == "string" and #value > 0 and #value <= TEXT_BYTES_MAX
end

local function is_seconds(value)
    return value == nil or type(value) == "number" and value > 0
end

local function is_list(value, check)
    for i, item in ipairs(type(value) == "table" and value or {}) do
        if i > ITEMS_MAX or not check(item) then
            return false
        end
    end
    return value == nil or type(value) == "table"
end

local function is_peer(value)
    return is_text(value) and (value:match("^[%d.]+:%d+$") or value:match("^%[[%x:.]+%]:%d+$")) ~= nil
end

local function is_version(value)
    return type(value) == "table" and is_text(value.name) and not value.name:find("/")
        and is_list(value.peers, is_peer) and value.peers ~= nil and value.peers[1] ~= nil
end

local function is_header(value)
    return type(value) == "table" and is_text(value.name) and is_text(value.value)
end

local function is_share(value)
    return type(value) == "number" and value >= 0 and value <= WHOLE_BP and value % 1 == 0
end

-- Why an assignment cannot be taken, or nil.
local function fault(wanted)
    if type(wanted) ~= "table" then
        return "no JSON object"
    end
    local sticky = wanted.stickiness
    for what, well in pairs({
        hosts = is_list(wanted.hosts, is_text) and wanted.hosts and wanted.hosts[1] ~= nil,
        path_prefix = is_text(wanted.path_prefix) and wanted.path_prefix:sub(1, 1) == "/",
        headers = is_list(wanted.headers, is_header),
        stable = is_version(wanted.stable),
        candidate = wanted.candidate == nil or is_version(wanted.candidate),
        candidate_bp = is_share(wanted.candidate_bp) and (wanted.candidate_bp == 0 or wanted.candidate ~= nil),
        draining = is_list(wanted.draining, is_text),
        stickiness = sticky == nil or type(sticky) == "table" and (is_text(sticky.header) or is_text(sticky.cookie)),
        dead_man_s = is_seconds(wanted.dead_man_s),
        request_timeout_s = is_seconds(wanted.request_timeout_s),
        retries = wanted.retries == nil or type(wanted.retries) == "number" and wanted.retries >= 0,
        indicators = is_list(wanted.indicators, is_text),
        latency_limits_s = is_list(wanted.latency_limits_s, is_seconds),
    }) do
        if not well then
            return what .. " is not valid"
        end
    end
end

_M.is_text, _M.is_share, _M.fault = is_text, is_share, fault

return _M
