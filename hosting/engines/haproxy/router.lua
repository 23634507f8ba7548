-- Two things that HAProxy's own rules can't do: let a request wait, and read JSON as Python reads it.

local held = Map.new("hold.map", Map._str)
local pause = 50 -- milliseconds between two looks at the map

-- Keeps a request until its instance is no longer held, at most `seconds`. Counts the milliseconds in txn.held, and sets
-- txn.hold to "released" if it came to that: HAProxy breaks this off when the client leaves, and goes on with its rules.
core.register_action("hold", { "http-req" }, function(txn, seconds)
    local instance = txn:get_var("txn.instance")
    local waited = 0
    while held:lookup(instance) do
        if waited >= tonumber(seconds) * 1000 then return end
        core.msleep(pause)
        waited = waited + pause
        txn:set_var("txn.held", waited)
    end
    txn:set_var("txn.hold", "released")
end, 1)

-- Replaces \u0064 by d, as a parser would, so that no spelling of a word hides it.
local function spelled_out(text)
    return (text:gsub("\\u00(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- Yields each string or bracket of a JSON text in order, strings without their quotes.
local function tokens(text)
    local at = 1
    return function()
        at = text:find('["{}%[%]:]', at)
        if not at then return nil end
        local kind = text:sub(at, at)
        at = at + 1
        if kind ~= '"' then return kind end
        local start = at
        while true do
            at = text:find('[\\"]', at)
            if not at then return nil end
            if text:sub(at, at) == '"' then break end
            at = at + 2
        end
        at = at + 1
        return "string", spelled_out(text:sub(start, at - 2))
    end
end

-- Is there a {"params": {"service": "db"}}? Python takes the last of two equal keys and HAProxy's json_query the first,
-- so any counts.
local function asks_for_db(text)
    local depth, inside, key, before = 0, {}, nil, nil
    for kind, word in tokens(text) do
        if kind == "{" or kind == "[" then
            depth = depth + 1
            inside[depth] = key
            key = nil
        elseif kind == "}" or kind == "]" then
            depth = depth - 1
            key = nil
        elseif kind == ":" then
            key = before
        elseif key == "service" and word == "db" and depth == 2 and inside[2] == "params" then
            return true
        else
            before, key = word, nil
        end
    end
    return false
end

-- Sees the part of the body that fits HAProxy's buffer (16 kB); behind it stand list_db and the password of Odoo itself.
core.register_action("find_db_service", { "http-req" }, function(txn)
    if asks_for_db(txn.f:req_body() or "") then txn:set_var("txn.db_service", true) end
end)
